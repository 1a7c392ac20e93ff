variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name            = "ps"
  namespace       = var.namespace
  image           = "ps:2"
  replicas        = 3
  update_strategy = { partition = 2 }
}
