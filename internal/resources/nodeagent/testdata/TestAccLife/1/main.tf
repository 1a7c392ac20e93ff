variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name            = "agent"
  namespace       = var.namespace
  preset          = "dcgm_exporter"
  service         = {}
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
