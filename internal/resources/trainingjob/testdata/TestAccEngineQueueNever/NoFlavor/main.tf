variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name       = "train"
  namespace  = var.namespace
  image      = "pytorch/pytorch:2.1"
  resources  = { requests = { "example.com/fpga" = "1" }, limits = { "example.com/fpga" = "1" } }
  scheduling = { queue = "team-a" }
  wait_for   = "completed"
}
