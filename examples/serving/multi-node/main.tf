# A model that no single node holds: two pods of eight GPUs each serve it together,
# as a group of a LeaderWorkerSet. Requests go to its leader.
resource "mlk_inference_service" "llama" {
  name      = "llama"
  namespace = "ml"

  runtime    = "vllm"
  image      = "vllm/vllm-openai:v0.11.0"
  gpu        = { count = 8 }
  model      = { source = "hf://meta-llama/Llama-3.1-405B-Instruct", token_secret = "hf" }
  multi_node = { size = 2 }
  replicas   = 1 # groups; 16 GPUs each
}

output "url" {
  value = mlk_inference_service.llama.url # http://llama-leader.ml.svc:8000
}
