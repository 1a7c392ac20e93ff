variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name             = "llama"
  namespace        = var.namespace
  engine           = "kubeflow"
  image            = "pytorch/pytorch:2.1"
  training_runtime = { name = "nowhere" }
  wait_for         = "completed"
}
