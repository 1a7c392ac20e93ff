variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  runtime         = "vllm"
  image           = "vllm/vllm-openai:v0.11.0"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  gpu             = { count = 4 }
  model           = { source = "hf://meta-llama/Llama-3.1-405B-Instruct" }
  replicas        = 2
  multi_node      = { size = 2 }
}
