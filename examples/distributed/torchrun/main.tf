# Four nodes with eight GPUs each. torchrun reads all it needs from PET_* variables.
resource "mlk_training_job" "llama" {
  name      = "llama"
  namespace = "ml"

  image   = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command = ["torchrun", "/app/train.py"]
  env     = { NCCL_DEBUG = "WARN", NCCL_SOCKET_IFNAME = "eth0" }

  gpu           = { count = 8, products = ["NVIDIA-H100-80GB-HBM3"] }
  shared_memory = "64Gi"

  distributed = {
    nodes    = 4
    launcher = "torchrun"

    # All in one zone, and one rank that fails takes the others with it.
    topology_key = "topology.kubernetes.io/zone"
    restart      = "all"
  }
  backoff_limit_per_index = 3

  timeouts = { create = "1h" }
}
