variable "namespace" {
  type = string
}

resource "mlk_pod" "probe" {
  name      = "probe"
  namespace = var.namespace
  image     = "busybox:1.36"
  gpu       = { count = 16 }
  timeouts  = { create = "4s" }
}
