variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fast" {
  name                = var.namespace
  storage_provisioner = "mlk.dev/local"
  parameters          = { tier = "hot" }
}
