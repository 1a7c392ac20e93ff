variable "namespace" {
  type = string
}

resource "mlk_training_job" "first" {
  name            = "first"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 8 }
  scheduling      = { queue = "team-a", node_selector = { "kubernetes.io/os" = "linux" } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  wait_for        = "admitted"
}

resource "mlk_training_job" "run" {
  name            = "second"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  gpu             = { count = 4 }
  scheduling      = { queue = "team-a", node_selector = { "kubernetes.io/os" = "linux" } }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  wait_for        = "created"

  depends_on = [mlk_training_job.first]
}
