variable "namespace" {
  type = string
}

resource "mlk_node_agent" "agent" {
  name            = "agent"
  namespace       = var.namespace
  image           = "exporter:4"
  selector        = { app = "agent" }
  update_strategy = { type = "OnDelete" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  readiness_probe = { exec = { command = ["true"] } }
  host_network    = true
  host_pid        = true
  volumes         = { run = { host_path = { path = "/run/driver", type = "DirectoryOrCreate" }, mounts = [{ path = "/run/driver", propagation = "Bidirectional" }] } }
  security_context = { privileged = true }
  metrics         = { port = 9100, path = "/m" }
}
