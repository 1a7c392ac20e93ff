variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name       = "api"
  namespace  = var.namespace
  image      = "server:1"
  ports      = { http = { port = 8080 } }
  multi_node = { size = 3 }
  patch = {
    LeaderWorkerSet = { spec = { leaderWorkerTemplate = {
      leaderTemplate = { metadata = { annotations = { "mlk.dev/simulate" = "run" } } }
      workerTemplate = { metadata = { annotations = { "mlk.dev/simulate" = "imagepull" } } }
    } } }
  }
}
