variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name        = "nightly"
  namespace   = var.namespace
  schedule    = "0 2 * * *"
  image       = "train:1"
  distributed = { nodes = 2, gang = "volcano" }
}
