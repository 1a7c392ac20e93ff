variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name      = "nightly"
  namespace = var.namespace
  schedule  = "0 2 * * *"
  time_zone = "Europe/Berln"
  image     = "train:1"
}
