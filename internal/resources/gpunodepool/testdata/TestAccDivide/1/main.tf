variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name       = "${var.namespace}-a"
  node_names = ["${var.namespace}-1"]
  mig        = { config = "all-3g.40gb" }
  timeouts   = { create = "3m", update = "3m" }
}

resource "mlk_gpu_node_pool" "b" {
  name                 = "${var.namespace}-b"
  node_names           = ["${var.namespace}-2"]
  sharing              = { strategy = "time-slicing", replicas = 4 }
  device_plugin_config = { namespace = var.namespace }
  timeouts             = { create = "3m", update = "3m" }
}

resource "mlk_gpu_node_pool" "c" {
  name                 = "${var.namespace}-c"
  node_names           = ["${var.namespace}-3"]
  sharing              = { strategy = "mps", replicas = 2 }
  device_plugin_config = { namespace = var.namespace, name = "other" }
  timeouts             = { create = "3m" }
}

resource "mlk_gpu_node_pool" "d" {
  name                 = "${var.namespace}-d"
  node_names           = ["${var.namespace}-4"]
  mig                  = { config = "all-disabled", strategy = "mixed" }
  sharing              = { strategy = "time-slicing", replicas = 4, rename = true }
  device_plugin_config = { namespace = var.namespace, name = "other" }
  timeouts             = { create = "3m" }
}
