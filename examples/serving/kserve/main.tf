# A model that KServe serves, with one of its own runtimes: KServe loads it, makes
# Deployment, Service and autoscaler, and says where it is reached.
resource "mlk_inference_service" "qwen" {
  name      = "qwen"
  namespace = "ml"
  engine    = "kserve"

  kserve      = { model_format = "huggingface", runtime = "kserve-huggingfaceserver" }
  model       = { source = "hf://Qwen/Qwen2.5-7B-Instruct" }
  args        = ["--model_name=qwen", "--max_model_len=8192"]
  gpu         = { count = 1 }
  resources   = { requests = { cpu = "4", memory = "24Gi" }, limits = { cpu = "4", memory = "24Gi" } }
  autoscaling = { min_replicas = 1, max_replicas = 3, cpu_percent = 80 }
}

output "url" {
  value = mlk_inference_service.qwen.url # as KServe's ingress has it
}
