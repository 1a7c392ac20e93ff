variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  distributed     = { nodes = 4, launcher = "torchrun", min_nodes = 1 }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
