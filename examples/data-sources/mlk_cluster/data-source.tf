data "mlk_cluster" "this" {}

# What a module makes can follow what the cluster has.
locals {
  engine = contains(keys(data.mlk_cluster.this.engines), "jobset") ? "jobset" : "job"
}

# Said at each plan, without stopping it.
check "control_plane" {
  assert {
    condition     = data.mlk_cluster.this.healthy != false
    error_message = "The control plane is not well: ${jsonencode(data.mlk_cluster.this.checks)}"
  }
}
