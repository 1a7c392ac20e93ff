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

# Stands for the cluster: nothing of it is known before it is made.
resource "terraform_data" "cluster" {
  input = { host = var.host, namespace = var.namespace, edition = var.edition }
}

provider "mlk" {
  host        = terraform_data.cluster.output.host
  namespace   = terraform_data.cluster.output.namespace
  labels      = { edition = terraform_data.cluster.output.edition, static = "yes" }
  annotations = { "example.com/edition" = terraform_data.cluster.output.edition }
}

resource "mlk_volume_claim" "data" {
  name                = "data"
  size                = "1Gi"
  deletion_protection = false
  labels              = { size = "small" }
}

# One knows its inputs and one does not.
resource "mlk_training_job" "known" {
  name            = "known"
  image           = "busybox:1"
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s" }
  wait_for        = "completed"
}

resource "mlk_training_job" "unknown" {
  name            = "unknown"
  image           = "busybox:${terraform_data.cluster.output.edition}"
  env             = { EDITION = terraform_data.cluster.output.edition }
  volumes         = { data = { mount_path = "/data", claim = mlk_volume_claim.data.name } }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s" }
  wait_for        = "completed"
  patch           = { Job = { metadata = { annotations = { "example.com/host" = terraform_data.cluster.output.host } } } }
}

# Ten at once.
resource "mlk_training_job" "many" {
  count           = 10
  name            = "many-${count.index}"
  image           = "busybox:1"
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s" }
  wait_for        = "completed"
}
