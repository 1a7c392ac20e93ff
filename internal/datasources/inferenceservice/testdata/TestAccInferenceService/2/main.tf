variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  on_failure      = "keep"
  pod_annotations = { "mlk.dev/simulate" = "imagepull" }
  replicas        = 2
  runtime         = "vllm"
  image           = "model:2"
  model           = { source = "oci://registry.example.com/llama:2" }
  service         = { name = "front", port = 80 }
}

data "mlk_inference_service" "api" {
  name       = "api"
  namespace  = var.namespace
  depends_on = [mlk_inference_service.api]
}
