import {
  to = mlk_gpu_stack.nvidia
  id = "cluster-policy" # name of the ClusterPolicy, or namespace/name of the device plugin's DaemonSet
}
