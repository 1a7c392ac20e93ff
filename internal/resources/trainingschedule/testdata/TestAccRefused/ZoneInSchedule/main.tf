variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name      = "nightly"
  namespace = var.namespace
  schedule  = "TZ=Europe/Berlin 0 2 * * *"
  image     = "train:1"
}
