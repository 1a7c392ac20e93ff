variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  engine          = "jobset"
  image           = "pytorch/pytorch:2.1"
  resources       = { limits = { memory = "64Gi" } }
  backoff_limit   = 0
  pod_annotations = { "mlk.dev/simulate" = "oom:after=1s" }
  wait_for        = "completed"
}
