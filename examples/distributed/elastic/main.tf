# An elastic program: it begins with two nodes, takes in up to eight, and goes on when one is lost.
# nodes is changed in place.
resource "mlk_training_job" "sweep" {
  name      = "resnet-elastic"
  namespace = "ml"

  image   = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command = ["torchrun", "/app/train.py"]
  env     = { PET_MAX_RESTARTS = "10" }
  gpu     = { count = 1 }

  distributed = {
    nodes     = 8
    min_nodes = 2
    launcher  = "torchrun"
  }

  # Preemption and node drains do not use up tries.
  pod_failure_policy = [{ action = "Ignore", on_pod_conditions = [{ type = "DisruptionTarget" }] }]
}
