variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 2 }
  env_value_from  = { HF_TOKEN = { secret = { name = "hf", key = "token" } } }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=2s,message={\"accuracy\":\"0.93\"}", "mlk.dev/log" = "token hf_secret123 accepted" }
  wait_for        = "completed"
}

# Read in the same apply that makes the run.
data "mlk_training_run" "named" {
  namespace  = var.namespace
  run_name   = mlk_training_job.run.run_name
  log_lines  = 5
  depends_on = [mlk_training_job.run]
}

data "mlk_training_run" "newest" {
  namespace  = var.namespace
  name       = "train"
  depends_on = [mlk_training_job.run]
}
