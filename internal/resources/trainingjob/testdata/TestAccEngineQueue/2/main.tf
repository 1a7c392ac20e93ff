variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "second"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 4 }
  scheduling      = { queue = "team-a", node_selector = { "kubernetes.io/os" = "linux" } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  wait_for        = "running"
}
