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

# Two ranks that find each other by the names of a headless Service "gang".
resource "mlk_training_job" "run" {
  name          = "gang"
  namespace     = var.namespace
  run_name      = "gang"
  image         = "mlk.dev/trainer:dev"
  args          = ["--epochs=20", "--report"]
  env           = { WORLD_SIZE = "2", MASTER_ADDR = "gang-0.gang", MASTER_PORT = "29500" }
  gpu           = { count = 5 }
  backoff_limit = 0
  wait_for      = "completed"
  patch = { Job = { spec = {
    completionMode = "Indexed", completions = 2, parallelism = 2,
    template       = { spec = { subdomain = "gang" } },
  } } }
}

output "result" {
  value = mlk_training_job.run.result
}
