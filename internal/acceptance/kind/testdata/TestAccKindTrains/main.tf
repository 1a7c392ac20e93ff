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

variable "data" {
  description = "What the run is of; another value is another run."
  type        = string
  default     = "2026-11-01"
}

# The class every kind cluster has: Rancher's local-path provisioner, which
# makes a volume where the first pod runs.
resource "mlk_volume_claim" "checkpoints" {
  name                = "checkpoints"
  namespace           = var.namespace
  storage_class       = "standard"
  size                = "64Mi"
  deletion_protection = false
}

resource "mlk_training_job" "run" {
  name          = "train"
  namespace     = var.namespace
  image         = "mlk.dev/trainer:dev"
  command       = ["torchrun", "--nproc-per-node=gpu", "train.py"]
  args          = ["--checkpoints=/checkpoints", "--epochs=${var.data == "2026-11-01" ? 20 : 30}", "--report"]
  gpu           = { count = 2, products = ["NVIDIA-A100-SXM4-80GB"] }
  shared_memory = "64Mi"
  volumes       = { checkpoints = { mount_path = "/checkpoints", claim = mlk_volume_claim.checkpoints.name } }
  backoff_limit = 0
  wait_for      = "completed"
  triggers      = { data = var.data }
}

output "result" {
  value = mlk_training_job.run.result
}

output "claim" {
  value = mlk_volume_claim.checkpoints.status.phase
}
