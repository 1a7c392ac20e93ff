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
  name      = "train"
  namespace = var.namespace
  image     = "mlk.dev/trainer:dev"
  args      = ["--checkpoints=/checkpoints", "--epochs=60", "--epoch-time=200ms", "--report"]
  volumes   = { checkpoints = { mount_path = "/checkpoints", claim = mlk_volume_claim.checkpoints.name } }

  # A drain or a killed pod costs no try.
  backoff_limit      = 1
  pod_failure_policy = [{ action = "Ignore", on_pod_conditions = [{ type = "DisruptionTarget" }] }]
  wait_for           = "completed"
}

output "result" {
  value = mlk_training_job.run.result
}
