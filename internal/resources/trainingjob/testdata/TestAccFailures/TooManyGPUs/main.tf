variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  gpu             = { count = 16, products = ["NVIDIA-A100-SXM4-80GB"] }
  timeouts        = { create = "4s" }
}
