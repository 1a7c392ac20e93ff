# name of the ClusterPolicy, as the operator's Helm chart calls it
terraform import mlk_gpu_stack.nvidia cluster-policy
