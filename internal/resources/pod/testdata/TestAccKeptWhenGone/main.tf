variable "namespace" {
  type = string
}

resource "mlk_pod" "probe" {
  name      = "probe"
  namespace = var.namespace
  image     = "busybox:1.36"
  wait_for  = "completed"

  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s" }
}
