variable "namespace" {
  type = string
}

resource "mlk_resource_claim_template" "gpu" {
  name      = "gpu"
  namespace = var.namespace
  labels    = { team = "a" }
  requests  = [{ name = "gpu", device_class = "gpu.nvidia.com" }]
  config    = [{ driver = "gpu.nvidia.com", parameters = jsonencode({ kind = "GpuConfig", replicas = 2 }) }]
}
