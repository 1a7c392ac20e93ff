variable "namespace" {
  type = string
}

data "mlk_inference_service" "api" {
  name      = "apj"
  namespace = var.namespace
}
