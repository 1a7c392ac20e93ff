variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }

  labels = {
    gpu-product = "NVIDIA-H100-80GB-HBM3"
    node-type   = "large"
    accelerator = "nvidia-h100"
  }

  cordon = true

  taints = [
    { key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" },
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
