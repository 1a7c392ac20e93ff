variable "namespace" {
  type = string
}

data "mlk_gpu_capacity" "ours" {
  node_selector = { "example.com/capacity" = var.namespace }
  gpus_per_pod  = 2
}

output "chart" {
  value = data.mlk_gpu_capacity.ours.chart
}
