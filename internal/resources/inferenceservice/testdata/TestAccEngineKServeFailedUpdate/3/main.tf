variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  engine          = "kserve"
  replicas        = 2
  image           = "server:3"
  ports           = { http = { port = 8000 } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
