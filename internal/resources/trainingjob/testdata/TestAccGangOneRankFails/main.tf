variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  resources       = { limits = { memory = "4Gi" } }
  distributed     = { nodes = 4, launcher = "torchrun", restart = "all" }
  pod_annotations = { "mlk.dev/simulate" = "run" }

  backoff_limit_per_index = 0
  wait_for                = "completed"
}
