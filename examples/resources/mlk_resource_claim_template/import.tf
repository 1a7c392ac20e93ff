import {
  to = mlk_resource_claim_template.gpu
  id = "ml/h100-or-two-a100" # namespace/name of the ResourceClaimTemplate
}
