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

variable "queue" {
  type        = string
  default     = "team-a"
  description = "The team's LocalQueue."
}

# Asks the queue for its turn and goes on once it has it.
resource "mlk_training_job" "finetune" {
  name       = "finetune"
  namespace  = var.namespace
  image      = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command    = ["python", "/app/finetune.py"]
  gpu        = { count = 4 }
  scheduling = { queue = var.queue }

  wait_for = "admitted"
}

# Leaves the run to the queue: the apply does not wait for it.
resource "mlk_training_job" "sweep" {
  for_each = toset(["1e-4", "3e-4", "1e-3"])

  name       = "sweep-${each.key}"
  namespace  = var.namespace
  image      = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command    = ["python", "/app/train.py", "--lr=${each.key}"]
  gpu        = { count = 8 }
  scheduling = { queue = var.queue }

  ttl_seconds_after_finished = 86400
  wait_for                   = "created"
}
