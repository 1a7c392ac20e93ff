terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type        = string
  default     = "team-a"
  description = "Namespace of the team, in which its LocalQueue is."
}

# Two nodes of eight GPUs, as a TrainJob of the runtime torch-distributed, which comes with
# Kubeflow Trainer, in the team's queue.
resource "mlk_training_job" "llama" {
  name        = "llama"
  namespace   = var.namespace
  engine      = "kubeflow"
  image       = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command     = ["torchrun", "/app/train.py"]
  gpu         = { count = 8 }
  distributed = { nodes = 2, launcher = "torchrun" }
  scheduling  = { queue = "team-a" }

  wait_for = "admitted"
}
