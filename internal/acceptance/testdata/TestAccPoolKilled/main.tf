terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

variable "host" {
  type = string
}

variable "namespace" {
  type = string
}

provider "mlk" {
  host = var.host
}

resource "mlk_gpu_node_pool" "a" {
  name          = "${var.namespace}-a"
  node_selector = { "test.mlk.dev/nodes" = var.namespace }
  labels        = { accelerator = "nvidia-h100" }
  taints        = [{ key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" }]
  cordon        = true
}
