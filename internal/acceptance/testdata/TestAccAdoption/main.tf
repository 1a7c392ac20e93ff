terraform {
  required_providers {
    mlk = {
      source = "mlkube/mlk"
    }
  }
}

provider "mlk" {}
