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
  to = mlk_inference_service.api
  id = "${var.namespace}/api"
}
