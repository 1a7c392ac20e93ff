variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  replicas        = 3
  image           = "model:1"
  gpu             = { count = 1 }
  ports           = { http = { port = 8080 } }
  liveness_probe  = { http_get = { path = "/health", port = "http" } }
  readiness_probe = { http_get = { path = "/health", port = "http" } }
  service         = { port = 80 }
  labels          = { team = "search" }
}
