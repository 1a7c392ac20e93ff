# The ClusterPolicy of NVIDIA's GPU Operator, of which only this is ours: drivers in
# nodes' images stay, metrics go to Prometheus, GPUs that are divided have names.
resource "mlk_gpu_stack" "nvidia" {
  name = "cluster-policy"
  mode = "operator"

  driver = { enabled = false }

  dcgm_exporter = {
    service_monitor = { enabled = true, interval = "15s", labels = { release = "prometheus" } }
  }

  mig_strategy = "mixed"
}
