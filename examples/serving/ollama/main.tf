# Ollama gets its model by its own API: an init container of the same image does it.
resource "mlk_inference_service" "chat" {
  name      = "chat"
  namespace = "ml"

  runtime = "ollama"
  image   = "ollama/ollama:0.12.6"
  gpu     = { count = 1 }
  model   = { source = "hf://bartowski/Llama-3.2-3B-Instruct-GGUF" }
  env     = { OLLAMA_KEEP_ALIVE = "24h" }
}

output "url" {
  value = mlk_inference_service.chat.url
}
