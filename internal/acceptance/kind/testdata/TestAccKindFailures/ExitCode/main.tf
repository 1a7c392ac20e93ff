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
  args          = ["--epochs=30", "--epoch-time=10ms", "--at=20", "--exit=42"]
  backoff_limit = 0
  wait_for      = "completed"
}
