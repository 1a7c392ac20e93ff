resource "mlk_inference_service" "bge" {
  name      = "bge"
  namespace = "ml"
  runtime   = "tei"
  image     = "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"
  model     = { source = "hf://BAAI/bge-m3" }
}

# The service as others see it. depends_on lets Terraform read it after it was
# made; a service of another configuration is named, and needs none. It may as
# well be a LeaderWorkerSet, or an InferenceService of KServe.
data "mlk_inference_service" "bge" {
  name       = "bge"
  namespace  = mlk_inference_service.bge.namespace
  depends_on = [mlk_inference_service.bge]
}

check "bge_answers" {
  assert {
    condition     = length(data.mlk_inference_service.bge.endpoints) > 0
    error_message = "bge answers nobody: ${data.mlk_inference_service.bge.status.phase}"
  }
}

output "embeddings" {
  value = {
    url    = "${data.mlk_inference_service.bge.url}/embed"
    models = data.mlk_inference_service.bge.revisions[*].model
    # what a canary gets of the requests, in percent
    canary = one([for r in data.mlk_inference_service.bge.revisions : r.weight if r.canary && r.current])
  }
}
