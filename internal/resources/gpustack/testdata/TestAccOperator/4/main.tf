variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name            = "cluster-policy"
  mode            = "operator"
  driver          = { version = "580" }
  force_conflicts = true
}
