variable "namespace" {
  type = string
}

variable "image" {
  type    = string
  default = "model:1"
}

variable "simulate" {
  type    = string
  default = "run"
}

variable "gpus" {
  type    = number
  default = 1
}

variable "update" {
  type    = string
  default = "10m"
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  image           = var.image
  gpu             = { count = var.gpus }
  ports           = { http = { port = 8080 } }
  readiness_probe = { http_get = { path = "/health", port = "http" } }
  pod_annotations = { "mlk.dev/simulate" = var.simulate }
  timeouts        = { update = var.update }
}
