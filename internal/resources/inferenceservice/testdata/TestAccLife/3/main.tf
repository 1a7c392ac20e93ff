variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  force_conflicts = true
  replicas        = 3
  image           = "model:2"
  gpu             = { count = 1 }
  ports           = { http = { port = 8080 } }
  liveness_probe  = { http_get = { path = "/health", port = "http" } }
  readiness_probe = { http_get = { path = "/health", port = "http" } }
  startup_budget  = "5m"
  restart_on      = { config = "a = 1" }
  service         = { port = 8000, app_protocol = "http" }
  rollout         = { max_surge = "0", max_unavailable = "1" }
}
