variable "namespace" {
  type = string
}

import {
  to = mlk_volume_claim.theirs
  id = "${var.namespace}/theirs"
}

resource "mlk_volume_claim" "theirs" {
  name                = "theirs"
  namespace           = var.namespace
  size                = "1Gi"
  static              = true
  access_modes        = ["ReadWriteMany"]
  deletion_protection = false
  labels              = { team = "vision", tier = "hot" }

  selector = {
    match_labels = { nobody = "has" }
  }
}
