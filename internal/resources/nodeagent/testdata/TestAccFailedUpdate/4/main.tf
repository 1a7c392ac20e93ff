variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name            = "agent"
  namespace       = var.namespace
  image           = "agent:3"
  update_strategy = { max_surge = "100%" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
