variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  engine    = "kserve"
  replicas  = 1
  kserve    = { model_format = "vLLM", runtime = "kserve-vllmserver" }
  model     = { source = "hf://org/model@main" }
  resources = { requests = { cpu = "1", memory = "24Gi" }, limits = { memory = "24Gi" } }
  gpu       = { count = 2 }
  args      = ["--max-model-len=4096"]
}
