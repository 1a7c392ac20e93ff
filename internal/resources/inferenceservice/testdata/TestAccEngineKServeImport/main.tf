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
  to = mlk_inference_service.classifier
  id = "${var.namespace}/classifier"
}

import {
  to = mlk_inference_service.llama
  id = "${var.namespace}/llama"
}

import {
  to = mlk_inference_service.bge
  id = "${var.namespace}/bge"
}
