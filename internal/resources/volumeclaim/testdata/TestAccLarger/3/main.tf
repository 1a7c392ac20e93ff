variable "namespace" {
  type = string
}

resource "mlk_storage_class" "at_once" {
  name                   = "${var.namespace}-at-once"
  storage_provisioner    = "mlk.dev/local"
  allow_volume_expansion = true
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "1Gi"
  storage_class       = mlk_storage_class.at_once.name
  deletion_protection = false
  wait_for            = "bound"
  labels              = { team = "vision" }
}
