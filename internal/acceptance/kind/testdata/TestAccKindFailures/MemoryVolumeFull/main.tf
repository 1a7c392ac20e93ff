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
  name          = "train"
  namespace     = var.namespace
  image         = "mlk.dev/trainer:dev"
  args          = ["--fill=/scratch"]
  volumes       = { scratch = { mount_path = "/scratch", empty_dir = { medium = "Memory", size_limit = "16Mi" } } }
  backoff_limit = 0
  wait_for      = "completed"
}
