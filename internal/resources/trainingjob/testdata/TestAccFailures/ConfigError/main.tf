variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "configerror:message=secret \"hf\" not found" }
  env_value_from  = { HF_TOKEN = { secret = { name = "hf", key = "token" } } }
}
