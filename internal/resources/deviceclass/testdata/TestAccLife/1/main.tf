variable "namespace" {
  type = string
}

resource "mlk_device_class" "gpu" {
  name      = var.namespace
  selectors = ["device.driver == 'gpu.nvidia.com'"]
}
