variable "namespace" {
  type = string
}

resource "mlk_sharded_service" "ps" {
  name            = "ps"
  namespace       = var.namespace
  image           = "ps:2"
  replicas        = 2
  pod_annotations = { "mlk.dev/simulate" = "imagepull" }
}
