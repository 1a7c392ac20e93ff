variable "namespace" {
  type = string
}

data "mlk_gpu_nodes" "ours" {
  pool    = var.namespace
  product = "b200"
}

data "mlk_gpu_nodes" "none" {
  pool = "${var.namespace}-none"
}
