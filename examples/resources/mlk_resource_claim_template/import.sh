# namespace/name of the ResourceClaimTemplate
terraform import mlk_resource_claim_template.gpu ml/h100-or-two-a100
