# By namespace and name.
terraform import mlk_volume_claim.checkpoints ml/checkpoints
