variable "namespace" {
  type = string
}

locals {
  driver = "${var.namespace}.example.com"
}

resource "mlk_device_class" "gpu" {
  name      = "gpu.${var.namespace}"
  selectors = ["device.driver == '${local.driver}'"]
}

# Any H100, or else two A100.
resource "mlk_resource_claim_template" "gpu" {
  name      = "gpu"
  namespace = var.namespace
  requests = [{
    name = "gpu"
    first_available = [
      { name = "h100", device_class = mlk_device_class.gpu.name, selectors = ["device.attributes['${local.driver}'].productName.contains('H100')"] },
      { name = "a100", device_class = mlk_device_class.gpu.name, selectors = ["device.attributes['${local.driver}'].productName.contains('A100')"], count = 2 },
    ]
  }]
}

resource "mlk_pod" "first" {
  name            = "first"
  namespace       = var.namespace
  image           = "trainer:1"
  devices         = { gpu = { template = mlk_resource_claim_template.gpu.name } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}

resource "mlk_pod" "second" {
  name            = "second"
  namespace       = var.namespace
  image           = "trainer:1"
  devices         = { gpu = { template = mlk_resource_claim_template.gpu.name } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  depends_on      = [mlk_pod.first]
}

resource "mlk_pod" "third" {
  name            = "third"
  namespace       = var.namespace
  image           = "trainer:1"
  devices         = { gpu = { template = mlk_resource_claim_template.gpu.name } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  timeouts        = { create = "20s" }
}
