variable "namespace" { type = string }


resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  runtime   = "vllm"
  image     = "model:1"
  gpu       = { count = 2 }
  model     = { source = "hf://org/name@v1" }

  args           = ["--max-model-len=8192"]
  liveness_probe = { tcp_socket = { port = "http" } }

  rollout         = { max_surge = "0", max_unavailable = "1" }
  force_conflicts = true
}
