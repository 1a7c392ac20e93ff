variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  engine          = "kubeflow"
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 4 }
  scheduling      = { queue = "team-a" }
  distributed     = { nodes = 2, launcher = "torchrun" }
  env             = { NCCL_DEBUG = "INFO" }
  shared_memory   = "1Gi"
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=2s,message={\"accuracy\":\"0.93\"}" }
  wait_for        = "completed"
  labels          = { team = "vision" }
}
