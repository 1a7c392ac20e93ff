variable "namespace" {
  type = string
}

resource "mlk_storage_class" "later" {
  name                   = "${var.namespace}-later"
  storage_provisioner    = "mlk.dev/local"
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  namespace           = var.namespace
  size                = "1Gi"
  storage_class       = mlk_storage_class.later.name
  deletion_protection = false
  wait_for            = "bound"
}
