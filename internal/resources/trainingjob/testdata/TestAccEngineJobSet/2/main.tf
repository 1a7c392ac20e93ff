variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "llama"
  namespace       = var.namespace
  engine          = "jobset"
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 4 }
  scheduling      = { queue = "team-a" }
  distributed     = { nodes = 2, launcher = "torchrun" }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=2s,message={\"accuracy\":\"0.93\"}" }
  wait_for        = "completed"
  labels          = { team = "vision" }

  ttl_seconds_after_finished = 600
}
