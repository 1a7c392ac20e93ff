variable "namespace" {
  type = string
}

data "mlk_inference_service" "none" {
  name      = "larger"
  namespace = var.namespace
}
