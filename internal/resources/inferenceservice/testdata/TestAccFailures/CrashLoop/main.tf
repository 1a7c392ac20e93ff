variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  image           = "model:1"
  ports           = { http = { port = 8080 } }
  pod_annotations = { "mlk.dev/simulate" = "crashloop:message=no such model" }
}
