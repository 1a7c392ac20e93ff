variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "data" {
  name          = "data"
  namespace     = var.namespace
  size          = "1Gi"
  storage_class = "${var.namespace}-nobody"
  wait_for      = "bound"
  timeouts      = { create = "3s" }
}
