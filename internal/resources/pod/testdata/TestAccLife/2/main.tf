variable "namespace" {
  type = string
}

resource "mlk_pod" "probe" {
  name      = "probe"
  namespace = var.namespace
  image     = "busybox:1.36"
  command   = ["probe"]
  log_lines = 1
  wait_for  = "completed"
  labels    = { team = "vision" }

  pod_labels      = { tier = "test" }
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=1s,message={\"gpus\": 2}", "mlk.dev/log" = "looking\nfound 2 GPUs\ndone" }
}
