variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name   = "${var.namespace}-a"
  labels = { accelerator = "nvidia-h100", gpu-memory = "94Gi" }

  taints = [
    { key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" },
    { key = var.namespace, effect = "NoSchedule" },
  ]

  karpenter = {
    node_class   = { group = "karpenter.kwok.sh", kind = "KWOKNodeClass", name = "default" }
    requirements = [{ key = "karpenter.sh/capacity-type", operator = "In", values = ["on-demand"] }]
    limits       = { gpus = 32, cpu = "512" }
    disruption   = { consolidation_policy = "WhenEmpty", consolidate_after = "Never" }
    expire_after = "Never"
  }

  timeouts = { create = "2m", update = "2m", delete = "3m" }
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 8 }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=2s,message={\"accuracy\":\"0.93\"}" }
  wait_for        = "completed"

  scheduling = {
    node_pool   = mlk_gpu_node_pool.a.name
    tolerations = [{ key = var.namespace, operator = "Exists" }]
  }
}
