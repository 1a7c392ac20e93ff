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
  name            = "train"
  namespace       = var.namespace
  image           = "mlk.dev/trainer:dev"
  init_containers = [{ name = "fetch", image = "mlk.dev/trainer:dev", args = ["--data=/data/imagenet"] }]
  backoff_limit   = 0
}
