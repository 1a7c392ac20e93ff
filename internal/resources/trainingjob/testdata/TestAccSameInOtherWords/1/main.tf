variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  resources       = { requests = { cpu = "1000m", memory = "1024Mi" }, limits = { memory = "2Gi" } }
  patch           = { Job = { spec = { podReplacementPolicy = "Failed", completions = 1 } } }
}
