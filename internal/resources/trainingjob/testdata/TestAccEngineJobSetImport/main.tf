terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

variable "namespace" {
  type = string
}

import {
  to = mlk_training_job.run
  id = "${var.namespace}/theirs"
}
