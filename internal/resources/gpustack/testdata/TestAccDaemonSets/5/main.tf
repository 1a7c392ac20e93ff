variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name            = "gpus"
  namespace       = var.namespace
  mode            = "daemonsets"
  device_plugin   = { version = "v0.19.3" }
  daemonsets      = { annotations = { "mlk.dev/simulate" = "run" } }
  force_conflicts = true
}
