# Checkpoints of a training job: bound to the node of the first pod that mounts
# it, and grown in place by raising size.
resource "mlk_volume_claim" "checkpoints" {
  name          = "checkpoints"
  namespace     = "ml"
  size          = "500Gi"
  storage_class = "fast"
}

# Scratch space that may go with everything else.
resource "mlk_volume_claim" "scratch" {
  name                = "scratch"
  namespace           = "ml"
  size                = "100Gi"
  deletion_protection = false
}

# A data set many pods read, on a volume somebody made by hand. Destroying this
# resource leaves the claim, and with it the data, on the cluster.
resource "mlk_volume_claim" "imagenet" {
  name         = "imagenet"
  namespace    = "ml"
  size         = "200Gi"
  access_modes = ["ReadOnlyMany"]
  static       = true
  volume_name  = "imagenet-nfs"
  retain       = true
}

# Weights restored from a snapshot.
resource "mlk_volume_claim" "weights" {
  name          = "weights"
  namespace     = "ml"
  size          = "80Gi"
  storage_class = "fast"

  data_source = {
    api_group = "snapshot.storage.k8s.io"
    kind      = "VolumeSnapshot"
    name      = "weights-2026-03-02"
  }
}
