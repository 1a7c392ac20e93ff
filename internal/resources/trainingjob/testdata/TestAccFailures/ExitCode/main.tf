variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "fail:exit=1,after=1s,message=no such data set: s3://data/2026-11" }
  command         = ["python", "train.py"]
  backoff_limit   = 0
  wait_for        = "completed"
}
