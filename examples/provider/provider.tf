terraform {
  required_providers {
    mlk = {
      source  = "mlkube/mlk"
      version = "~> 0.1"
    }
  }
}

provider "mlk" {
  kubeconfig = "~/.kube/config"
  context    = "gpu-cluster"
  namespace  = "research"
  labels     = { team = "vision" }
}
