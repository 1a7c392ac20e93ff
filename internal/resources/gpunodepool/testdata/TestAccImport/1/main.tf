variable "namespace" {
  type = string
}

import {
  to = mlk_gpu_node_pool.a
  id = "${var.namespace}-a/test.mlk.dev/nodes=${var.namespace}"
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }
  labels        = { accelerator = "nvidia-h100", node-type = "gpu" }
  taints        = [{ key = "sku", value = "gpu", effect = "NoSchedule" }]
}
