variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name       = "agent"
  namespace  = var.namespace
  image      = "agent:1"
  scheduling = { node_selector = { "example.com/none" = "yes" } }
}
