# with the GPU Operator: name of the ClusterPolicy
terraform import mlk_gpu_stack.nvidia cluster-policy

# without it: namespace/name of the device plugin's DaemonSet
terraform import mlk_gpu_stack.nvidia kube-system/nvidia-device-plugin-daemonset
