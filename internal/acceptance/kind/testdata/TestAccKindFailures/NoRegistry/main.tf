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
  image     = "registry.mlk.invalid/team/trainer:2.1"
}
