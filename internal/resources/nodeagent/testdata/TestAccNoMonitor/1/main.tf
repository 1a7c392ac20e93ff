variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name      = "agent"
  namespace = var.namespace
  preset    = "dcgm_exporter"
  service   = {}
  metrics   = { port = 9400, scrape = "service_monitor" }
}
