import {
  to = mlk_pod.nvidia_smi
  id = "ml/nvidia-smi" # namespace/name
}
