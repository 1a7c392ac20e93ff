variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  replicas        = 3
  image           = "model:2"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  readiness_probe = { http_get = { path = "/health", port = "http" } }
  route           = { gateway = "public", hostnames = ["api.example.com"] }
  canary = {
    image  = "model:3"
    weight = 10
  }
  patch = { "Deployment/canary" = { spec = { template = { metadata = { annotations = { "mlk.dev/simulate" = "imagepull" } } } } } }
}
