terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

# `make demo` writes the path of its cluster's kubeconfig to demo.auto.tfvars.
# Left out, the provider reads the files of $KUBECONFIG.
variable "kubeconfig" {
  description = "Path of the kubeconfig of the cluster."
  type        = string
  default     = null
}

# On a real cluster: the driver of your fastest disks, such as
# ebs.csi.aws.com, pd.csi.storage.gke.io or disk.csi.azure.com.
variable "provisioner" {
  description = "Storage driver of the fast class."
  type        = string
  default     = "mlk.dev/local"
}

provider "mlk" {
  kubeconfig = var.kubeconfig
}

# Volumes are made where the pod runs, and may grow later.
resource "mlk_storage_class" "fast" {
  name                   = "fast"
  storage_provisioner    = var.provisioner
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true
}

# A claim refuses to be destroyed unless it says otherwise. This is a demo.
resource "mlk_volume_claim" "data" {
  name                = "training-data"
  storage_class       = mlk_storage_class.fast.name
  size                = "100Gi"
  deletion_protection = false
}

resource "mlk_volume_claim" "checkpoints" {
  name                = "checkpoints"
  storage_class       = mlk_storage_class.fast.name
  size                = "50Gi"
  deletion_protection = false
}

resource "mlk_training_job" "resnet" {
  name    = "resnet"
  image   = "pytorch/pytorch:2.1-cuda12.1"
  command = ["torchrun", "--nproc-per-node=2", "train.py"]
  args    = ["--data=/data", "--checkpoints=/checkpoints", "--epochs=90"]
  env     = { NCCL_DEBUG = "INFO" }

  gpu           = { count = 2, products = ["NVIDIA-A100-SXM4-80GB"] }
  shared_memory = "16Gi"

  volumes = {
    data        = { mount_path = "/data", claim = mlk_volume_claim.data.name }
    checkpoints = { mount_path = "/checkpoints", claim = mlk_volume_claim.checkpoints.name }
  }

  # The local cluster runs no containers; this says how the pod would end. A
  # real training writes such a message to /dev/termination-log itself.
  pod_annotations = {
    "mlk.dev/simulate" = "succeed:after=3s,message={\"accuracy\":\"0.93\",\"checkpoint\":\"/checkpoints/epoch-90.pt\"}"
  }

  # A real training takes longer, and so does the first pull of its image.
  wait_for = "completed"
  timeouts = { create = "5m" }
}
