# A language model on a claim, split over two GPUs: vLLM serves it as "llama-3-8b".
resource "mlk_volume_claim" "models" {
  name         = "models"
  namespace    = "ml"
  size         = "200Gi"
  access_modes = ["ReadWriteMany"]
}

resource "mlk_inference_service" "llama" {
  name      = "llama"
  namespace = "ml"

  runtime = "vllm"
  image   = "vllm/vllm-openai:v0.11.0"
  gpu     = { count = 2 }
  model   = { source = "pvc://${mlk_volume_claim.models.name}/llama-3-8b" }
  args    = ["--max-model-len=8192"] # beside those of the preset

  rollout = { max_surge = "0", max_unavailable = "1" } # no GPU to spare
}

output "url" {
  value = mlk_inference_service.llama.url
}
