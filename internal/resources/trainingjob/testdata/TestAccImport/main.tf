variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  labels          = { team = "vision" }
  backoff_limit   = 2
  env             = { NCCL_DEBUG = "INFO" }
  gpu             = { count = 2, products = ["NVIDIA-A100-SXM4-80GB"] }
  shared_memory   = "16Gi"
  resources       = { requests = { cpu = "8", memory = "32Gi" }, limits = { memory = "64Gi" } }
  volumes         = { scratch = { mount_path = "/scratch", empty_dir = {} } }
}
