import {
  to = mlk_gpu_stack.nvidia
  id = "cluster-policy" # name of the ClusterPolicy
}
