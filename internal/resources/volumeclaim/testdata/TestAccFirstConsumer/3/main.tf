variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "2Gi"
  deletion_protection = false
  wait_for            = "bound"
}
