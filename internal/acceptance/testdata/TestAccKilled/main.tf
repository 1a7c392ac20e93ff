terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

variable "host" {
  type = string
}

variable "namespace" {
  type = string
}

variable "edition" {
  type    = string
  default = "first"
}

variable "simulate" {
  type    = string
  default = "succeed:after=1s"
}

provider "mlk" {
  host      = var.host
  namespace = var.namespace
}

# Classes are cluster-wide: the namespace's name keeps tests apart.
resource "mlk_storage_class" "fast" {
  name                = var.namespace
  storage_provisioner = "mlk.dev/local"
  volume_binding_mode = "WaitForFirstConsumer"
  labels              = { edition = var.edition }
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  storage_class       = mlk_storage_class.fast.name
  size                = "1Gi"
  deletion_protection = false
  labels              = { edition = var.edition }
}

resource "mlk_training_job" "run" {
  name            = "run"
  image           = "busybox:1"
  volumes         = { data = { mount_path = "/data", claim = mlk_volume_claim.data.name } }
  pod_annotations = { "mlk.dev/simulate" = var.simulate }
  wait_for        = "completed"
  labels          = { edition = var.edition }
}
