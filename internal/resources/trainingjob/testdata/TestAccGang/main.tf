variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name      = "llama"
  namespace = var.namespace
  image     = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command   = ["torchrun", "train.py"]
  gpu       = { count = 8 }
  distributed = {
    nodes    = 4
    launcher = "torchrun"
  }
  scheduling = {
    node_selector = { (var.namespace) = "yes" }
    tolerations   = [{ key = var.namespace, operator = "Exists" }]
  }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=8s,message={\"loss\": 0.5}" }
  wait_for        = "completed"
}
