variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "theirs" {
  name      = "theirs"
  namespace = var.namespace
  size      = "1Gi"
}
