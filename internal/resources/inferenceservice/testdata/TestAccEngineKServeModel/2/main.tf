variable "namespace" {
  type = string
}

resource "mlk_inference_service" "api" {
  name      = "api"
  namespace = var.namespace
  engine    = "kserve"
  replicas  = 1
  kserve    = { model_format = "sklearn", runtime = "kserve-sklearnserver" }
  model     = { source = "s3://bucket/iris" }
}
