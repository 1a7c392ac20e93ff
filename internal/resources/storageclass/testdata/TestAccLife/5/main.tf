variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fast" {
  name                = var.namespace
  storage_provisioner = "mlk.dev/local"
  parameters          = { tier = "cold" }
  reclaim_policy      = "Retain"
  volume_binding_mode = "WaitForFirstConsumer"
}
