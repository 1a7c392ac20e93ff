variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name              = "api"
  namespace         = var.namespace
  replicas          = 2
  image             = "model:2"
  pod_annotations   = { "mlk.dev/simulate" = "imagepull" }
  ports             = { http = { port = 8080 } }
  on_failed_rollout = "rollback"
}
