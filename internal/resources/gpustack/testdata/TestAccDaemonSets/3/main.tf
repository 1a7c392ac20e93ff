variable "namespace" {
  type = string
}

resource "mlk_gpu_stack" "gpus" {
  name                  = "gpus"
  namespace             = var.namespace
  mode                  = "daemonsets"
  gpu_feature_discovery = {}
  dcgm_exporter         = {}
  runtime_class         = { name = var.namespace, handler = "nvidia" }
  daemonsets            = { annotations = { "mlk.dev/simulate" = "run" } }
}
