variable "namespace" {
  type = string
}

data "mlk_training_run" "none" {
  namespace = var.namespace
  run_name  = "gnag"
}
