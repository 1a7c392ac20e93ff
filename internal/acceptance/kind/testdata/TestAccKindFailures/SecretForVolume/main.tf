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
  volumes   = { keys = { mount_path = "/keys", secret = { name = "s3-keys" } } }
  timeouts  = { create = "30s" }
}
