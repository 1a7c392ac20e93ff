variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name            = "ps"
  namespace       = var.namespace
  image           = "ps:2"
  replicas        = 3
  ports           = { peer = { port = 7000 } }
  claim_templates = { data = { size = "2Gi", storage_class = "standard" } }
  volumes         = { data = { mount_path = "/data" } }

}
