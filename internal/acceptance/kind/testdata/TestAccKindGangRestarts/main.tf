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

resource "mlk_volume_claim" "checkpoints" {
  name                = "checkpoints"
  namespace           = var.namespace
  storage_class       = "standard"
  size                = "64Mi"
  deletion_protection = false
}

resource "mlk_training_job" "run" {
  name        = "gang"
  namespace   = var.namespace
  image       = "mlk.dev/trainer:dev"
  command     = ["torchrun", "train.py"]
  args        = ["--checkpoints=/checkpoints", "--epochs=60", "--epoch-time=200ms", "--report"]
  distributed = { nodes = 2, launcher = "torchrun", restart = "all" }
  volumes     = { checkpoints = { mount_path = "/checkpoints", claim = mlk_volume_claim.checkpoints.name } }
  wait_for    = "completed"
}

output "result" {
  value = mlk_training_job.run.result
}
