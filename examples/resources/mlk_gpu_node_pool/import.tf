import {
  to = mlk_gpu_node_pool.h100
  id = "h100/cloud.google.com/gke-accelerator=nvidia-h100-80gb"
}
