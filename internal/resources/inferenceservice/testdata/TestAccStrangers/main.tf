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

variable "image" {
  type    = string
  default = "model:1"
}

resource "mlk_inference_service" "api" {
  name              = "api"
  namespace         = var.namespace
  labels            = { team = "search" }
  image             = var.image
  env               = { LOG_LEVEL = "info" }
  pod_annotations   = { "mlk.dev/simulate" = "run" }
  ports             = { http = { port = 8080 } }
  resources         = { requests = { cpu = "10m" } }
  autoscaling       = { min_replicas = 2, max_replicas = 8, cpu_percent = 80 }
  disruption_budget = { max_unavailable = "1" }
}
