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
  name       = "train"
  namespace  = var.namespace
  image      = "localhost:5000/team/trainer:2.l"
  scheduling = { node_selector = { "kubernetes.io/hostname" = var.node } }
}

variable "node" {
  type = string
}
