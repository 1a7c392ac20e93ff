variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name            = "gpus"
  namespace       = var.namespace
  mode            = "daemonsets"
  device_plugin   = { version = "v0.0.0" }
  daemonsets      = { annotations = { "mlk.dev/simulate" = "imagepull" } }
  force_conflicts = true
}
