variable "namespace" {
  type = string
}

resource "mlk_storage_class" "fast" {
  name                = var.namespace
  storage_provisioner = "ebs.csi.aws.com"

  parameters = {
    type      = "io2"
    iops      = "4000"
    iopsPerGB = "10"
  }
}
