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
  name                             = "train"
  namespace                        = var.namespace
  image                            = "mlk.dev/trainer:dev"
  args                             = ["--hang", "--ignore-sigterm"]
  active_deadline_seconds          = 10
  termination_grace_period_seconds = 2
  wait_for                         = "completed"
}
