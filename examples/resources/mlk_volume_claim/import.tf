import {
  to = mlk_volume_claim.example
  id = "research/checkpoints"
}
