# Any H100, or else two A100.
resource "mlk_resource_claim_template" "gpu" {
  name      = "h100-or-two-a100"
  namespace = "ml"

  requests = [{
    name = "gpu"
    first_available = [
      {
        name         = "h100"
        device_class = "gpu.nvidia.com"
        selectors    = ["device.attributes[\"gpu.nvidia.com\"].productName.contains(\"H100\")"]
      },
      {
        name         = "a100"
        device_class = "gpu.nvidia.com"
        selectors    = ["device.attributes[\"gpu.nvidia.com\"].productName.contains(\"A100\")"]
        count        = 2
      },
    ]
  }]
}

# Each pod of the run gets a claim of its own; its main container gets the devices.
resource "mlk_training_job" "finetune" {
  name      = "finetune"
  namespace = "ml"
  image     = "trainer:1.4"
  devices   = { gpu = { template = mlk_resource_claim_template.gpu.name } }
  wait_for  = "created"
}
