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

# The training starts when the server beside it answers, and ends without it.
resource "mlk_training_job" "run" {
  name      = "train"
  namespace = var.namespace
  image     = "mlk.dev/trainer:dev"
  init_containers = [{
    name           = "teacher"
    image          = "mlk.dev/server:dev"
    args           = ["--start-up=2s"]
    restart_policy = "Always"
    startup_probe  = { http_get = { path = "/health", port = 8000 }, period_seconds = 1, failure_threshold = 60 }
  }]
  backoff_limit = 0
  wait_for      = "completed"
}
