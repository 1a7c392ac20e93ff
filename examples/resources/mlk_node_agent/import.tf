import {
  to = mlk_node_agent.dcgm
  id = "monitoring/dcgm-exporter" # namespace/name of the DaemonSet
}
