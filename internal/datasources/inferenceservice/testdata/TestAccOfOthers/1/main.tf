variable "namespace" {
  type = string
}

data "mlk_inference_service" "large" {
  name      = "large"
  namespace = var.namespace
}

data "mlk_inference_service" "bge" {
  name      = "bge"
  namespace = var.namespace
}
