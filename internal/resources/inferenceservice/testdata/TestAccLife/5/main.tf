variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  force_conflicts = true
  replicas        = 1
  image           = "model:2"
  ports           = { http = { port = 8080 } }
  service         = { enabled = false }
  rollout         = { strategy = "Recreate" }
}
