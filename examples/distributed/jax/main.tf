# jax.distributed.initialize() without arguments reads JAX_* variables.
resource "mlk_training_job" "gemma" {
  name      = "gemma"
  namespace = "ml"

  image   = "ghcr.io/nvidia/jax:maxtext"
  command = ["python", "/app/train.py"]

  gpu           = { count = 8 }
  shared_memory = "64Gi"

  distributed = {
    nodes    = 2
    launcher = "jax"
    restart  = "all"
  }
}
