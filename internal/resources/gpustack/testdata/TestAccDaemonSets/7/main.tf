variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name          = "gpus"
  namespace     = var.namespace
  mode          = "daemonsets"
  device_plugin = { repository = "nvcr.io/nvidia", image = "k8s-device-plugin", version = "v0.20.0" }
}
