variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  image           = "server:1"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  multi_node = {
    size                        = 3
    uniform                     = true
    subdomain_policy            = "UniquePerReplica"
    subgroup_size               = 2
    subgroup_type               = "LeaderExcluded"
    subgroup_exclusive_topology = "kubernetes.io/hostname"
  }
}
