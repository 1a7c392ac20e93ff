variable "namespace" {
  type = string
}

variable "gang" {
  type = string
}

variable "engine" {
  type = string
}

variable "nodes" {
  type = number
}

variable "create" {
  type = string
}

resource "mlk_training_job" "run" {
  name      = "llama"
  namespace = var.namespace
  engine    = var.engine
  image     = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command   = ["python", "train.py"]
  gpu       = { count = 8 }
  distributed = {
    nodes = var.nodes
    gang  = var.gang
  }
  scheduling = {
    node_selector = { (var.namespace) = "yes" }
    tolerations   = [{ key = var.namespace, operator = "Exists" }]
  }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  wait_for        = "running"
  timeouts        = { create = var.create }
}
