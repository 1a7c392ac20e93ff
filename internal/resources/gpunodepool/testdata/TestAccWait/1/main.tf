variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }
  min_nodes     = 2
  min_gpus      = 16
  timeouts      = { create = "15s", update = "3m" }
}
