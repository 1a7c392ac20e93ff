variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name            = "ps"
  namespace       = var.namespace
  image           = "ps:1"
  claim_templates = { data = { size = "1Gi", storage_class = "standard" } }
  volumes         = { data = { mount_path = "/data" } }
}
