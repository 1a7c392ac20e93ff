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

variable "node" {
  type = string
}

variable "patience" {
  type    = string
  default = "2m"
}

resource "mlk_training_job" "run" {
  name          = "train"
  namespace     = var.namespace
  image         = "mlk.dev/trainer:dev"
  args          = ["--epochs=20", "--epoch-time=1s", "--at=12", "--exit=1"]
  gpu           = { count = 2 }
  scheduling    = { node_selector = { "kubernetes.io/hostname" = var.node } }
  backoff_limit = 0
  wait_for      = "completed"
  timeouts      = { create = var.patience }
}
