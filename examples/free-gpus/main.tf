terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

data "mlk_gpu_capacity" "now" {
  gpus_per_pod = 8
}

data "mlk_gpu_nodes" "all" {}

output "free" {
  value = {
    gpus            = data.mlk_gpu_capacity.now.total.free
    of              = data.mlk_gpu_capacity.now.total.capacity
    largest_pod     = data.mlk_gpu_capacity.now.total.largest_pod
    pods_of_8_gpus  = data.mlk_gpu_capacity.now.total.largest_gang
    by_product      = [for p in data.mlk_gpu_capacity.now.pools : { pool = p.pool, product = p.product, free = p.free, of = p.capacity }]
    held_by         = { for n in data.mlk_gpu_capacity.now.namespaces : n.namespace => n.gpus }
    ill             = { for name, n in data.mlk_gpu_nodes.all.nodes : name => n.unhealthy if n.unhealthy > 0 }
    take_no_new_pod = [for name, n in data.mlk_gpu_nodes.all.nodes : name if !n.ready || !n.schedulable]
  }
}

# terraform output -raw chart > gpus.svg
output "chart" {
  value = data.mlk_gpu_capacity.now.chart
}

# A warning at each plan, which stops nothing.
check "gpus" {
  assert {
    condition     = data.mlk_gpu_capacity.now.total.unhealthy == 0
    error_message = "${data.mlk_gpu_capacity.now.total.unhealthy} GPUs are unhealthy."
  }
}
