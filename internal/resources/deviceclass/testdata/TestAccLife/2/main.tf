variable "namespace" {
  type = string
}

resource "mlk_device_class" "gpu" {
  name      = var.namespace
  selectors              = ["device.driver == 'gpu.nvidia.com'", "device.attributes['gpu.nvidia.com'].productName.contains('H100')"]
  extended_resource_name = "example.com/${var.namespace}"
  config                 = [{ driver = "gpu.nvidia.com", parameters = jsonencode({ kind = "GpuConfig" }) }]
}
