# A pool that mlk made, by its name.
terraform import mlk_gpu_node_pool.h100 h100

# Nodes that were labelled and tainted by hand, by a name and the selector of the nodes.
# The next apply takes over exactly the keys that the configuration declares.
terraform import mlk_gpu_node_pool.h100 h100/cloud.google.com/gke-accelerator=nvidia-h100-80gb
