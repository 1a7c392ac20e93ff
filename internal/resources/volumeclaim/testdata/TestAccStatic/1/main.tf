variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "1Gi"
  static              = true
  volume_name         = var.namespace
  deletion_protection = false
  wait_for            = "bound"
}
