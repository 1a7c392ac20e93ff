resource "mlk_training_job" "llama" {
  name      = "llama"
  namespace = "ml"
  image     = "pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime"
  command   = ["python", "/app/train.py"]
  gpu       = { count = 8 }
  wait_for  = "completed"
}

# The newest run of that training. depends_on lets Terraform read it after it was
# made; a run of another configuration needs none.
data "mlk_training_run" "llama" {
  namespace  = "ml"
  name       = "llama"
  depends_on = [mlk_training_job.llama]
}

output "llama" {
  value = {
    outcome   = data.mlk_training_run.llama.outcome
    accuracy  = try(data.mlk_training_run.llama.result["accuracy"], null)
    gpu_hours = data.mlk_training_run.llama.gpu_hours
    nodes     = data.mlk_training_run.llama.pods[*].node
  }
}
