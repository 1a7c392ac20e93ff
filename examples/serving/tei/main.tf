# Embeddings on CPUs.
resource "mlk_inference_service" "bge" {
  name      = "bge"
  namespace = "ml"
  replicas  = 3

  runtime   = "tei"
  image     = "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"
  model     = { source = "hf://BAAI/bge-m3" }
  resources = { requests = { cpu = "4", memory = "8Gi" }, limits = { memory = "8Gi" } }
}

output "url" {
  value = mlk_inference_service.bge.url
}
