variable "namespace" {
  type = string
}

variable "ttl" {
  type    = string
  default = null
}

import {
  to = mlk_training_job.run
  id = "${var.namespace}/theirs"
}

resource "mlk_training_job" "run" {
  name                       = "theirs"
  run_name                   = "theirs"
  namespace                  = var.namespace
  image                      = "pytorch/pytorch:2.1"
  gpu                        = { count = 4, tolerate_taint = false }
  scheduling                 = { queue = "team-a" }
  ttl_seconds_after_finished = var.ttl
  wait_for                   = "created"
}
