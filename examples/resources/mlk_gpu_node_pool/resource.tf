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

# Each GPU of the A100 nodes as two MIG devices of 40 GB; pods ask for them with
# gpu = { mig_profile = "3g.40gb" }. The apply waits until the nodes offer them.
resource "mlk_gpu_node_pool" "mig" {
  name          = "mig"
  node_selector = { "cloud.google.com/gke-accelerator" = "nvidia-a100-80gb" }
  mig           = { config = "all-3g.40gb" }
}

# Notebooks share each L4 four ways, as nvidia.com/gpu.shared. The ConfigMap is the
# one that the GPU Operator's ClusterPolicy names in devicePlugin.config.
#
#   sharing              = { strategy = "time-slicing", replicas = 4, rename = true }
#   device_plugin_config = { namespace = "gpu-operator", name = "device-plugin-config" }
resource "mlk_gpu_node_pool" "notebooks" {
  name          = "notebooks"
  node_selector = { "cloud.google.com/gke-accelerator" = "nvidia-l4" }
  labels        = { purpose = "notebooks" }
}

# With Karpenter on the cluster, nodes that are made when a run asks for them: see the
# guide "GPU nodes on demand".
#
#   karpenter = { node_class = { group = "karpenter.k8s.aws", kind = "EC2NodeClass", name = "gpu" }, limits = { gpus = 64 } }
#
# With Cluster API, machines of a MachineDeployment that exists, which become nodes of
# the pool by a label it gives them.
#
#   cluster_api = { machine_deployment = "gpu-h100", namespace = "clusters", replicas = 4 }
#   min_nodes   = 4
