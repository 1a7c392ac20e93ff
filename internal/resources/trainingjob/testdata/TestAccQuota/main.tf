variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name      = "train"
  namespace = var.namespace
  image     = "pytorch/pytorch:2.1"
  gpu       = { count = 2 }
}
