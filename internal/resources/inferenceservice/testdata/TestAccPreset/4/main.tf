variable "namespace" { type = string }


resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  runtime   = "custom"
  image     = "model:1"
  gpu       = { count = 2 }
  model     = { source = "hf://org/name" }

  ports           = { http = { port = 8000 } }
  rollout         = { max_surge = "0", max_unavailable = "1" }
  force_conflicts = true
}
