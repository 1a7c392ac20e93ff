variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name            = "agent"
  namespace       = var.namespace
  preset          = "dcgm_exporter"
  image           = "exporter:2"
  service         = { internal_traffic_policy = "Local" }
  update_strategy = { max_unavailable = "100%" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
