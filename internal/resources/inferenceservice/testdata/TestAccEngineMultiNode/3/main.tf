variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name              = "api"
  namespace         = var.namespace
  runtime           = "vllm"
  image             = "vllm/vllm-openai:v0.11.1"
  pod_annotations   = { "mlk.dev/simulate" = "run" }
  gpu               = { count = 4 }
  model             = { source = "hf://meta-llama/Llama-3.1-405B-Instruct" }
  autoscaling       = { max_replicas = 4, cpu_percent = 80 }
  rollout           = { max_unavailable = "100%" }
  disruption_budget = { max_unavailable = "1" }
  force_conflicts   = true # somebody else's changes do not last
  multi_node = {
    size           = 2
    restart_policy = "None"
    startup_policy = "LeaderReady"
    worker         = { env = { NCCL_DEBUG = "INFO" } }
  }
}
