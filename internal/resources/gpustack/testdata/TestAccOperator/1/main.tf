variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name   = "cluster-policy"
  mode   = "operator"
  driver = { version = "570" }
}
