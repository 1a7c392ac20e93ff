# Fast block storage on AWS: the volume is made where the pod with its GPUs is.
resource "mlk_storage_class" "fast" {
  name                   = "fast"
  storage_provisioner    = "ebs.csi.aws.com"
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true

  parameters = {
    type       = "gp3"
    iops       = "6000"
    throughput = "500"
    encrypted  = "true"
  }
}

# Shared files for data sets; what was stored outlives its claim.
resource "mlk_storage_class" "shared" {
  name                = "shared"
  storage_provisioner = "nfs.csi.k8s.io"
  reclaim_policy      = "Retain"
  mount_options       = ["nfsvers=4.1"]

  parameters = {
    server = "nfs.example.com"
    share  = "/datasets"
  }
}

# Disks in two zones of one region.
resource "mlk_storage_class" "regional" {
  name                = "regional"
  storage_provisioner = "pd.csi.storage.gke.io"
  volume_binding_mode = "WaitForFirstConsumer"

  parameters = {
    type             = "pd-balanced"
    replication-type = "regional-pd"
  }

  allowed_topologies = [{
    match_label_expressions = [{
      key    = "topology.gke.io/zone"
      values = ["europe-west4-a", "europe-west4-b"]
    }]
  }]
}
