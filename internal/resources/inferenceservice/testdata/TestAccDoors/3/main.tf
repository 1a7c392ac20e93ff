variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  replicas        = 2
  force_conflicts = true
  image           = "model:1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  route = {
    gateway   = "public"
    hostnames = ["api.example.com"]
    timeouts  = { request = "10m" }
  }
  disruption_budget = { name = "api-pods", min_available = "50%" }
}
