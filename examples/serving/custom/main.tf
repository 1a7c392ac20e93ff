# A server of one's own: nothing follows from the runtime, the model lies in /models.
resource "mlk_inference_service" "scorer" {
  name      = "scorer"
  namespace = "ml"

  runtime = "custom"
  image   = "registry.example.com/scorer:1.4"
  ports   = { http = { port = 9000 } }
  model   = { source = "gs://models/scorer", token_secret = "gcs" }

  readiness_probe = { http_get = { path = "/ready", port = "http" } }
  startup_budget  = "5m"
}

output "url" {
  value = mlk_inference_service.scorer.url
}
