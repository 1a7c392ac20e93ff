terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type = string
}

variable "image" {
  type = string
}

resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  replicas  = 2
  image     = var.image
  gpu       = { count = 4 }
  ports     = { http = { port = 8080 } }
  scheduling = {
    node_selector = { (var.namespace) = "yes" }
    tolerations   = [{ key = var.namespace, operator = "Exists" }]
  }
  rollout         = { max_surge = "1", max_unavailable = "0" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
