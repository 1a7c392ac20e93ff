variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name              = "api"
  namespace         = var.namespace
  engine            = "kserve"
  image             = "server:2"
  pod_annotations   = { "mlk.dev/simulate" = "run" }
  ports             = { http = { port = 8080 } }
  readiness_probe   = { http_get = { path = "/ready", port = "http" } }
  startup_budget    = "15m"
  replicas          = 2
  rollout           = { max_surge = "0", max_unavailable = "1" }
  disruption_budget = { max_unavailable = "1" }
  force_conflicts   = true # somebody else's changes do not last
}
