variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  distributed     = { nodes = 3, launcher = "torchrun", restart = "all" }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=20s" }
  wait_for        = "completed"

  termination_grace_period_seconds = 1
}
