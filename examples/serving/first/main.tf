terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

provider "mlk" {} # the cluster of $KUBECONFIG

resource "mlk_inference_service" "bge" {
  name    = "bge"
  runtime = "tei"
  image   = "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"
  model   = { source = "hf://BAAI/bge-small-en-v1.5" }
}

output "url" {
  value = mlk_inference_service.bge.url
}
