# A new version of the server answers one request in ten, beside pods that follow the
# load: both behind one host name, through a Gateway of the cluster.
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
  image   = "vllm/vllm-openai:v0.10.0"
  gpu     = { count = 1 }
  model   = { source = "pvc://${mlk_volume_claim.models.name}/llama-3-8b" }

  autoscaling = {
    min_replicas = 2
    max_replicas = 8
    pods_metrics = { "vllm:num_requests_waiting" = "5" } # on average for each pod
  }
  rollout           = { max_unavailable = "0" } # not a pod less while one is replaced
  disruption_budget = { max_unavailable = "1" }
  route             = { gateway = "public", hostnames = ["llama.example.com"], timeouts = { request = "10m" } }

  canary = {
    image  = "vllm/vllm-openai:v0.11.0"
    weight = 10 # percent of the requests
  }
}

output "url" {
  value = mlk_inference_service.llama.url # http://llama.example.com
}
