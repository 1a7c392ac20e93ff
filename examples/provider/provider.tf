terraform {
  required_providers {
    mlk = {
      source  = "mlkube/mlk"
      version = "~> 0.1"
    }
  }
}

# Reads $KUBECONFIG, else ~/.kube/config.
provider "mlk" {
  namespace = "research"
  labels    = { "team" = "vision" }
}
