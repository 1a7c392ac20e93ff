variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name            = "agent"
  namespace       = var.namespace
  image           = "agent:2"
  pod_annotations = { "mlk.dev/simulate" = "imagepull" }
}
