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
  name          = "gang"
  namespace     = var.namespace
  image         = "mlk.dev/trainer:dev"
  command       = ["torchrun", "train.py"]
  args          = ["--epochs=50", "--at=20", "--exit=42", "--faulty-rank=1"]
  distributed   = { nodes = 2, launcher = "torchrun" }
  backoff_limit = 0
  wait_for      = "completed"
}
