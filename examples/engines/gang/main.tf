terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type        = string
  default     = "team-a"
  description = "Namespace of the team."
}

# Two nodes of eight GPUs or none: no pod starts before there is room for both.
resource "mlk_training_job" "llama" {
  name        = "llama"
  namespace   = var.namespace
  image       = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command     = ["torchrun", "/app/train.py"]
  gpu         = { count = 8 }
  distributed = { nodes = 2, launcher = "torchrun", gang = "native" }

  wait_for = "completed"
}
