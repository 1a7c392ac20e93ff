variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  replicas        = 2
  image           = "model:1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  ingress           = { class = "nginx", host = "api.example.com", path = "/v1", tls_secret = "api-tls" }
  disruption_budget = { max_unavailable = "1" }
}
