variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fixed" {
  name                = "${var.namespace}-fixed"
  storage_provisioner = "mlk.dev/local"
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "2Gi"
  storage_class       = mlk_storage_class.fixed.name
  deletion_protection = false
  wait_for            = "bound"
}
