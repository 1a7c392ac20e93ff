variable "namespace" {
  type = string
}

