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

# Two ranks that find each other by the names of a headless Service.
resource "mlk_training_job" "run" {
  name          = "gang"
  namespace     = var.namespace
  image         = "mlk.dev/trainer:dev"
  command       = ["torchrun", "train.py"]
  args          = ["--epochs=20", "--report"]
  distributed   = { nodes = 2, launcher = "torchrun" }
  gpu           = { count = 5 }
  backoff_limit = 0
  wait_for      = "completed"
}

output "result" {
  value = mlk_training_job.run.result
}
