terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type = string
}

variable "more" {
  type = string
}

resource "mlk_inference_service" "api" {
  name              = "api"
  namespace         = var.namespace
  image             = "model:1"
  ports             = { http = { port = 8000 } }
  readiness_probe   = { tcp_socket = { port = "http" } }
  service           = var.more == "yes" ? { port = 80, target_port = "http" } : { port = 81, target_port = "http" }
  autoscaling       = var.more == "yes" ? { max_replicas = 4 } : null
  disruption_budget = var.more == "yes" ? { max_unavailable = "1" } : null
}
