variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fast" {
  name                   = var.namespace
  storage_provisioner    = "example.com/disks"
  parameters             = { type = "ssd" }
  reclaim_policy         = "Retain"
  allow_volume_expansion = true
}
