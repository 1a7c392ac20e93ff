data "mlk_gpu_nodes" "hopper" {
  product = "h100"
}

output "hopper" {
  value = {
    products  = data.mlk_gpu_nodes.hopper.products
    drivers   = distinct([for n in data.mlk_gpu_nodes.hopper.nodes : n.driver_version])
    unhealthy = [for name, n in data.mlk_gpu_nodes.hopper.nodes : name if n.unhealthy > 0]
  }
}
