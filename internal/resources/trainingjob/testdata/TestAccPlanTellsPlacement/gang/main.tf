terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type = string
}

variable "placement" {
  type = string
}

provider "mlk" {
  plan_checks = { placement = var.placement }
}

resource "mlk_training_job" "run" {
  name      = "llama"
  namespace = var.namespace
  image     = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command   = ["torchrun", "train.py"]
  gpu       = { count = 8 }
  distributed = {
    nodes    = 40
    launcher = "torchrun"
  }
  scheduling = {
    node_selector = { (var.namespace) = "yes" }
    tolerations   = [{ key = var.namespace, operator = "Exists" }]
  }
}
