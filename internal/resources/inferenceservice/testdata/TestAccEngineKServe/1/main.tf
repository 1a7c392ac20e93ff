variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  engine          = "kserve"
  image           = "server:1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  readiness_probe = { http_get = { path = "/ready", port = "http" } }
  startup_budget  = "15m"
  replicas        = 2
}
