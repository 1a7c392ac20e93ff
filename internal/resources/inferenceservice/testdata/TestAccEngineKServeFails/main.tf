variable "namespace" {
  type = string
}

variable "image" {
  type    = string
  default = null
}

variable "simulate" {
  type    = string
  default = "run"
}

variable "kserve" {
  type    = map(string)
  default = null
}

variable "gpus" {
  type    = number
  default = null
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  engine          = "kserve"
  image           = var.image
  kserve          = var.kserve
  model           = var.kserve == null ? null : { source = "s3://bucket/iris" }
  gpu             = var.gpus == null ? null : { count = var.gpus }
  pod_annotations = { "mlk.dev/simulate" = var.simulate }
  timeouts        = { create = var.gpus == 16 ? "20s" : "5m" }
}
