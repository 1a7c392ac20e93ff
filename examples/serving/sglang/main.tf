# A model of Hugging Face's hub that wants a token, which is in the Secret "hf".
resource "mlk_inference_service" "qwen" {
  name      = "qwen"
  namespace = "ml"

  runtime = "sglang"
  image   = "lmsysorg/sglang:v0.5.4"
  gpu     = { count = 2 }
  model   = { source = "hf://Qwen/Qwen3-32B", token_secret = "hf" }

  startup_budget = "45m" # instead of the preset's 30m
  service        = { port = 80 }
}

output "url" {
  value = mlk_inference_service.qwen.url
}
