variable "namespace" {
  type = string
}

resource "mlk_resource_claim_template" "gpu" {
  name      = "gpu"
  namespace = var.namespace
  requests     = [{ name = "gpu", device_class = "gpu.nvidia.com", count = 2, selectors = ["device.driver == 'gpu.nvidia.com'"] }, { name = "all", device_class = "nic", allocation_mode = "All" }]
  constraints  = [{ match_attribute = "resource.kubernetes.io/pcieRoot" }]
  claim_labels = { team = "a" }
}
