variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  engine          = "kubeflow"
  image           = "pytorch/pytorch:2.1"
  distributed     = { nodes = 2, launcher = "torchrun" }
  resources       = { limits = { memory = "64Gi" } }
  pod_annotations = { "mlk.dev/simulate" = "oom:after=1s" }
  wait_for        = "completed"
}
