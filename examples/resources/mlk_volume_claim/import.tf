import {
  to = mlk_volume_claim.checkpoints
  id = "ml/checkpoints"
}
