variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "fail:exit=1,after=1s,message=ModuleNotFoundError: No module named torch" }
  restart_policy  = "OnFailure"
}
