variable "namespace" {
  type = string
}

resource "mlk_gpu_node_pool" "a" {
  name      = "${var.namespace}-a"
  taints    = [{ key = var.namespace, effect = "NoSchedule" }]
  karpenter = { node_class = { group = "karpenter.kwok.sh", kind = "KWOKNodeClass", name = var.namespace } }
  timeouts  = { create = "5s", update = "1m" }
}
