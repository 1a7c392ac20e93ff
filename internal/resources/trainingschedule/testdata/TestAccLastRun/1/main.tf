terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

variable "namespace" {
  type = string
}

resource "mlk_training_schedule" "nightly" {
  name            = "nightly"
  namespace       = var.namespace
  schedule        = "* * * * *"
  suspend         = true
  image           = "train:1"
  backoff_limit   = 0
  pod_annotations = { "mlk.dev/simulate" = "fail:exit=3,after=1s,message=no data" }
}
