variable "namespace" {
  type = string
}

resource "mlk_pod" "probe" {
  name           = "probe"
  namespace      = var.namespace
  image          = "busybox:1.36"
  restart_policy = "OnFailure"
  wait_for       = "completed"

  pod_annotations = { "mlk.dev/simulate" = "fail:exit=1,after=1s,message=no GPU found" }
}
