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
  command       = ["trian", "--epochs=10"]
  backoff_limit = 0
}
