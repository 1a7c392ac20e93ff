# A cluster whose nodes have NVIDIA's driver and container toolkit in their image, and
# no GPU Operator: GPUs become resources, and metrics and labels come with them.
resource "mlk_gpu_stack" "nvidia" {
  name      = "nvidia"
  namespace = "gpu"
  mode      = "daemonsets"

  runtime_class         = {} # pods of the stack see GPUs under the runtime class nvidia
  gpu_feature_discovery = {} # needs Node Feature Discovery
  dcgm_exporter         = {}
}
