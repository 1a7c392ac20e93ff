# NVIDIA's exporter of GPU metrics on every node with GPUs. Prometheus finds it by
# the annotations of its pods.
resource "mlk_node_agent" "dcgm" {
  name      = "dcgm-exporter"
  namespace = "monitoring"

  preset  = "dcgm_exporter"
  service = {}
}

# Logs of all nodes, whatever taints they have.
resource "mlk_node_agent" "logs" {
  name      = "fluent-bit"
  namespace = "monitoring"

  image = "fluent/fluent-bit:3.2.2"
  ports = { http = { port = 2020 } }
  resources = {
    requests = { cpu = "100m", memory = "64Mi" }
    limits   = { memory = "128Mi" }
  }
  readiness_probe = { http_get = { path = "/api/v1/health", port = "http" } }

  volumes = {
    logs = {
      host_path = { path = "/var/log" }
      mounts    = [{ path = "/var/log", read_only = true, propagation = "HostToContainer" }]
    }
  }
  scheduling = {
    priority_class = "system-node-critical"
    tolerations    = [{ operator = "Exists" }]
  }

  # Ten nodes in a hundred at a time.
  update_strategy = { max_unavailable = "10%" }
}
