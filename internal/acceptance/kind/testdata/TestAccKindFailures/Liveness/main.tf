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
  name           = "train"
  namespace      = var.namespace
  image          = "mlk.dev/server:dev"
  args           = ["--start-up=10m"]
  restart_policy = "OnFailure"
  liveness_probe = { http_get = { path = "/health", port = 8000 }, period_seconds = 1, failure_threshold = 2 }
  timeouts       = { create = "1m" }
}
