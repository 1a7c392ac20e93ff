variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "oom:after=1s" }
  resources       = { limits = { memory = "64Gi" } }
  backoff_limit   = 0
  wait_for        = "completed"
}
