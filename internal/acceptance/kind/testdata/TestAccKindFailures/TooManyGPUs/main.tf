terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name      = "train"
  namespace = var.namespace
  image     = "mlk.dev/trainer:dev"
  gpu       = { count = 9, products = ["NVIDIA-A100-SXM4-80GB"] }
  timeouts  = { create = "15s" }
}
