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
  args          = ["--allocate=512Mi"]
  resources     = { limits = { memory = "64Mi" } }
  backoff_limit = 0
  wait_for      = "completed"
}
