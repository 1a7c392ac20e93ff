variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }
  labels        = { accelerator = "nvidia-h100" }
  cluster_api   = { machine_deployment = "gpu", namespace = var.namespace, replicas = 2 }
  min_nodes     = 2
  timeouts      = { create = "2m", update = "2m" }
}
