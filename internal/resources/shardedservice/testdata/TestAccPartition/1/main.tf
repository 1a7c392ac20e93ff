variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name      = "ps"
  namespace = var.namespace
  image     = "ps:1"
  replicas  = 3
}
