# Text Generation Inference; what it loads stays on a claim of the pod's own.
resource "mlk_inference_service" "mistral" {
  name      = "mistral"
  namespace = "ml"

  runtime = "tgi"
  image   = "ghcr.io/huggingface/text-generation-inference:3.3.5"
  gpu     = { count = 1 }
  model   = { source = "hf://mistralai/Mistral-7B-Instruct-v0.3", token_secret = "hf" }
  volumes = {
    model = { # instead of the preset's empty_dir
      mount_path = "/data"
      ephemeral  = { access_modes = ["ReadWriteOnce"], size = "50Gi" }
    }
  }
}

output "url" {
  value = mlk_inference_service.mistral.url
}
