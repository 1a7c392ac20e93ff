variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name                       = "train"
  namespace                  = var.namespace
  image                      = "pytorch/pytorch:2.1"
  pod_annotations            = { "mlk.dev/simulate" = "run" }
  labels                     = { team = "vision" }
  ttl_seconds_after_finished = 600
  resources                  = { requests = { cpu = "1" } }
}
