# namespace/name of the DaemonSet
terraform import mlk_node_agent.dcgm monitoring/dcgm-exporter
