resource "mlk_storage_class" "example" {
  name        = "fast"
  provisioner = "ebs.csi.aws.com"
  parameters = {
    type       = "gp3"
    iops       = "16000"
    throughput = "1000"
  }

  # The volume is made in the zone where a GPU for its pod was found.
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true
  reclaim_policy         = "Retain"
}
