variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name       = "${var.namespace}-a"
  node_names = ["${var.namespace}-1"]
  mig        = { config = "all-disabled" }
  timeouts   = { create = "3m", update = "3m" }
}

resource "mlk_gpu_node_pool" "b" {
  name                 = "${var.namespace}-b"
  node_names           = ["${var.namespace}-2"]
  sharing              = { strategy = "time-slicing", replicas = 2 }
  device_plugin_config = { namespace = var.namespace }
  timeouts             = { create = "3m", update = "3m" }
}
