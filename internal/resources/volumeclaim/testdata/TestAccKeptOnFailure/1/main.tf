variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "1Gi"
  storage_class       = "${var.namespace}-nobody"
  deletion_protection = false
  wait_for            = "bound"
  on_failure          = "keep"
  timeouts            = { create = "2s" }
}
