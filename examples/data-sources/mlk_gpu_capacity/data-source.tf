data "mlk_gpu_capacity" "this" {
  gpus_per_pod = 8
}

output "free" {
  value = {
    gpus         = data.mlk_gpu_capacity.this.total.free
    largest_gang = data.mlk_gpu_capacity.this.total.largest_gang
    by_product   = { for p in data.mlk_gpu_capacity.this.pools : "${coalesce(p.pool, "none")}/${coalesce(p.product, "unknown")}" => p.free... }
    held_by      = { for n in data.mlk_gpu_capacity.this.namespaces : n.namespace => n.gpus }
  }
}

# terraform output -raw chart > gpus.svg
output "chart" {
  value = data.mlk_gpu_capacity.this.chart
}
