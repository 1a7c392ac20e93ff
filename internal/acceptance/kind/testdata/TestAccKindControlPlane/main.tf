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
  args      = ["--epochs=40", "--epoch-time=500ms"]
  wait_for  = "completed"
}

output "result" {
  value = mlk_training_job.run.result
}
