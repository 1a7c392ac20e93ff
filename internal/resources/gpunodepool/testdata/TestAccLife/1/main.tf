variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }

  labels = {
    gpu-product = "NVIDIA-H100-80GB-HBM3"
    gpu-memory  = "80Gi"
    node-type   = "gpu"
    accelerator = "nvidia-h100"
  }

  taints = [
    { key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" },
    { key = "sku", value = "gpu", effect = "NoSchedule" },
  ]
}

resource "mlk_gpu_node_pool" "b" {
  name          = "${var.namespace}-b"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }
  node_names    = ["${var.namespace}-nobody"]
  labels        = { accelerator = "nvidia-h100", team = "research" }

  taints = [
    { key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" },
    { key = "team", value = "research", effect = "NoSchedule" },
    { key = "team", value = "research", effect = "PreferNoSchedule" },
  ]
}
