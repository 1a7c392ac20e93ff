# namespace/name
terraform import mlk_pod.nvidia_smi ml/nvidia-smi
