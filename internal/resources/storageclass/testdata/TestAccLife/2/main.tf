variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fast" {
  name                   = var.namespace
  storage_provisioner    = "mlk.dev/local"
  parameters             = { tier = "hot" }
  allow_volume_expansion = true
  mount_options          = ["noatime", "discard"]
  labels                 = { team = "vision" }
  default                = false

  allowed_topologies = [{
    match_label_expressions = [{ key = "topology.kubernetes.io/zone", values = ["b", "a"] }]
  }]
}
