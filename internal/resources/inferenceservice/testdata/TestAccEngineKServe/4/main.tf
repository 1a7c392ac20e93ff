variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  image           = "server:2"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
}
