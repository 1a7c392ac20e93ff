variable "namespace" {
  type = string
}

resource "mlk_volume_claim" "theirs" {
  name                = "theirs"
  namespace           = var.namespace
  size                = "1Gi"
  static              = true
  access_modes        = ["ReadWriteMany"]
  deletion_protection = false
  labels              = { team = "language" }

  selector = {
    match_labels = { nobody = "has" }
  }
}
