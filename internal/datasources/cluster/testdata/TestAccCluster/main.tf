data "mlk_cluster" "this" {}
