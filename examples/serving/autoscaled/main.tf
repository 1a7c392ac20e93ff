# As many pods as the requests that wait for one ask for, never fewer than two,
# reached from outside under a host name.
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
  gpu     = { count = 1 }
  model   = { source = "pvc://${mlk_volume_claim.models.name}/llama-3-8b" }

  autoscaling = {
    min_replicas = 2
    max_replicas = 8
    pods_metrics = { "vllm:num_requests_waiting" = "5" }                   # on average for each pod
    behavior     = { scale_down = { stabilization_window_seconds = 600 } } # a model takes long to load
  }
  disruption_budget = { max_unavailable = "1" }
  ingress           = { class = "nginx", host = "llama.example.com", tls_secret = "llama-tls" }
}

output "url" {
  value = mlk_inference_service.llama.url # https://llama.example.com
}
