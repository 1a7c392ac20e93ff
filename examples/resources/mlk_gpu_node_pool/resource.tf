# The H100 nodes of a GKE cluster: one label and one taint for all of them, those
# that join later too.
resource "mlk_gpu_node_pool" "h100" {
  name          = "h100"
  node_selector = { "cloud.google.com/gke-accelerator" = "nvidia-h100-80gb" }

  labels = {
    accelerator = "nvidia-h100"
    node-type   = "gpu"
    gpu-memory  = "80Gi"
  }

  taints = [{
    key    = "nvidia.com/gpu"
    value  = "present"
    effect = "NoSchedule"
  }]
}

# Some of them, for one team: a node may be in several pools.
resource "mlk_gpu_node_pool" "research" {
  name       = "research"
  node_names = ["gpu-node-7", "gpu-node-8"]

  taints = [{
    key    = "team"
    value  = "research"
    effect = "NoSchedule"
  }]
}
