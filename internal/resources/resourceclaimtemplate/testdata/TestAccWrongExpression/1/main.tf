variable "namespace" {
  type = string
}

resource "mlk_resource_claim_template" "gpu" {
  name      = "gpu"
  namespace = var.namespace
  requests  = [{ name = "gpu", device_class = "gpu.nvidia.com", selectors = ["device.driver == \"gpu.nvidia.com\" && device.drivr == \"x\""] }]
}
