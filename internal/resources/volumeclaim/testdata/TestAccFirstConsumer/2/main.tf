variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "1Gi"
  deletion_protection = false
  wait_for            = "bound"
}
