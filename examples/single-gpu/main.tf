# One GPU of at least 40 GB, whatever the product.
resource "mlk_training_job" "bert" {
  name      = "bert"
  namespace = "ml"

  image   = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command = ["python", "/app/finetune.py"]
  args    = ["--epochs", "3"]

  gpu           = { count = 1, min_memory = "40Gi" }
  shared_memory = "8Gi"
  resources = {
    requests = { cpu = "8", memory = "32Gi" }
    limits   = { memory = "32Gi" }
  }
}
