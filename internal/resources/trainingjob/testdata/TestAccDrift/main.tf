variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name                       = "train"
  namespace                  = var.namespace
  image                      = "pytorch/pytorch:2.1"
  pod_annotations            = { "mlk.dev/simulate" = "run" }
  force_conflicts            = true
  labels                     = { team = "vision" }
  annotations                = { contact = "ml@example.com" }
  backoff_limit              = 2
  ttl_seconds_after_finished = 600
  active_deadline_seconds    = 7200
  suspend                    = false
  patch                      = { Job = { spec = { podReplacementPolicy = "Failed" } } }
}
