variable "namespace" {
  type = string
}

resource "mlk_pod" "probe" {
  name            = "probe"
  namespace       = var.namespace
  image           = "busybox:1.37"
  force_conflicts = true
  command         = ["probe"]
  labels          = { team = "vision" }
  pod_labels      = { tier = "test" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
}
