variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  force_conflicts = true
  image           = "model:2"
  pod_annotations = { "mlk.dev/simulate" = "run" }
  ports           = { http = { port = 8080 } }
  autoscaling = {
    keda = {
      max_replicas = 6
      hpa_name     = "api-load"
      triggers = [{
        type               = "prometheus"
        metadata           = { serverAddress = "http://prometheus:9090", query = "sum(waiting)", threshold = "5" }
        authentication_ref = { name = "prometheus" }
      }]
    }
  }
}
