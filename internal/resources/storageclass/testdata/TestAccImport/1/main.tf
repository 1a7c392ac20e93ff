variable "namespace" {
  type = string
}

import {
  to = mlk_storage_class.fast
  id = var.namespace
}

resource "mlk_storage_class" "fast" {
  name                = var.namespace
  storage_provisioner = "example.com/disks"
  parameters          = { type = "ssd" }
  reclaim_policy      = "Retain"
  mount_options       = ["noatime"]
  default             = false
}
