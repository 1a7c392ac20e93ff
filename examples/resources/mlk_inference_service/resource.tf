resource "mlk_inference_service" "llama" {
  name      = "llama"
  namespace = "ml"
  replicas  = 3

  image = "vllm/vllm-openai:v0.11.0"
  args  = ["--model", "/models/llama-3-8b"]
  ports = { http = { port = 8080 } }
  gpu   = { count = 1 }

  shared_memory = "2Gi"
  volumes       = { models = { mount_path = "/models", claim = "models", read_only = true } }

  readiness_probe = { http_get = { path = "/health", port = "http" } }
  liveness_probe  = { http_get = { path = "/health", port = "http" } }
  startup_budget  = "15m" # how long the model may take to load

  service = { port = 80 }
  rollout = { max_surge = "0", max_unavailable = "1" } # no GPU to spare
}

output "url" {
  value = mlk_inference_service.llama.url
}
