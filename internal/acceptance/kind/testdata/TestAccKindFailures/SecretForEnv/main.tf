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
  image          = "mlk.dev/trainer:dev"
  env_value_from = { HF_TOKEN = { secret = { name = "hf", key = "token" } } }
}
