resource "mlk_pod" "nvidia_smi" {
  name      = "nvidia-smi"
  namespace = "ml"

  image   = "nvidia/cuda:12.4.1-base-ubuntu22.04"
  command = ["nvidia-smi", "-L"]
  gpu     = { count = 1 }

  # Wait for the end, and keep the end of the log.
  wait_for  = "completed"
  log_lines = 20
  timeouts  = { create = "10m" }
}

output "gpus" {
  value = mlk_pod.nvidia_smi.log
}
