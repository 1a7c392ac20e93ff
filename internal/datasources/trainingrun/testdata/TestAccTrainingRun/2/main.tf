variable "namespace" {
  type = string
}

# Somebody else's Job: four ranks, of which one fails.
data "mlk_training_run" "gang" {
  namespace = var.namespace
  run_name  = "gang"
}
