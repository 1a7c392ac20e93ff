variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  scheduling      = { node_selector = { (var.namespace) = "yes" } }
  on_failure      = "keep"
  timeouts        = { create = "4s", update = "20s" }
}
