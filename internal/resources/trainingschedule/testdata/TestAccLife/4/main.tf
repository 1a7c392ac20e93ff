variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name               = "nightly"
  namespace          = var.namespace
  schedule           = "@every 2h"
  concurrency_policy = "Forbid"
  image              = "train:2"
  force_conflicts    = true
  distributed        = { nodes = 2, launcher = "torchrun" }
}
