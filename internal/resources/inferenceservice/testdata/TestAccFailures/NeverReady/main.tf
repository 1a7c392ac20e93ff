variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  image           = "model:1"
  ports           = { http = { port = 8080 } }
  readiness_probe = { http_get = { path = "/health", port = "http" } }
  pod_annotations = { "mlk.dev/simulate" = "never-ready" }
  timeouts        = { create = "20s" }
}
