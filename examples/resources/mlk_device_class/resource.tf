# GPUs with at least 80 GB, whatever they are called.
resource "mlk_device_class" "large" {
  name = "large-gpu"

  selectors = [
    "device.driver == \"gpu.nvidia.com\"",
    "device.attributes[\"gpu.nvidia.com\"].type == \"gpu\"",
    "device.capacity[\"gpu.nvidia.com\"].memory.compareTo(quantity(\"79Gi\")) >= 0",
  ]
}
