variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "fail:exit=3,after=1s,message=unknown option --epoch" }
  backoff_limit   = 0
}
