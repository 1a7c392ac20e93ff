variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s,message={\"accuracy\": 0.93}" }
  wait_for        = "completed"
  keep_runs       = 2
  triggers        = { attempt = "2" }
}
