terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type        = string
  default     = "research"
  description = "Namespace of the run."
}

variable "node_class" {
  type = object({ group = string, kind = string, name = string })
  default = {
    group = "karpenter.k8s.aws"
    kind  = "EC2NodeClass"
    name  = "gpu"
  }
  description = "How machines are made: an object of the cloud's Karpenter."
}

# Nodes that are made when a run asks for them, up to 64 GPUs, and go ten minutes
# after the last one.
resource "mlk_gpu_node_pool" "h100" {
  name   = "h100-on-demand"
  labels = { accelerator = "nvidia-h100" }

  taints = [{
    key    = "nvidia.com/gpu"
    value  = "present"
    effect = "NoSchedule"
  }]

  karpenter = {
    node_class = var.node_class

    requirements = [
      { key = "karpenter.sh/capacity-type", operator = "In", values = ["on-demand"] },
      { key = "kubernetes.io/arch", operator = "In", values = ["amd64"] },
    ]

    limits       = { gpus = 64 }
    expire_after = "Never"

    # Only empty nodes go: trainings are not moved.
    disruption = {
      consolidation_policy = "WhenEmpty"
      consolidate_after    = "10m"
    }
  }
}

# Asks for the pool as for any other.
resource "mlk_training_job" "pretrain" {
  name       = "pretrain"
  namespace  = var.namespace
  image      = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command    = ["python", "/app/train.py"]
  gpu        = { count = 8 }
  scheduling = { node_pool = mlk_gpu_node_pool.h100.name }

  wait_for = "running"
}
