variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name      = "nightly"
  namespace = var.namespace
  schedule  = "0 25 * * *"
  image     = "train:1"
}
