variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  replicas  = 2
  runtime   = "vllm"
  image     = "model:1"
  model     = { source = "oci://registry.example.com/llama:1" }
  service   = { name = "front", port = 80 }
}

data "mlk_inference_service" "api" {
  name       = "api"
  namespace  = var.namespace
  depends_on = [mlk_inference_service.api]
}
