variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  resources       = { requests = { memory = "1Gi", cpu = "1" }, limits = { memory = "2048Mi" } }
  patch           = { Job = { spec = { completions = 1, podReplacementPolicy = "Failed" } } }
}
