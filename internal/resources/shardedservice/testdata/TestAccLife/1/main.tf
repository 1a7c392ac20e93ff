variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name            = "ps"
  namespace       = var.namespace
  image           = "ps:1"
  replicas        = 2
  ports           = { peer = { port = 7000 } }
  claim_templates = { data = { size = "1Gi", storage_class = "standard" } }
  volumes         = { data = { mount_path = "/data" } }

}
