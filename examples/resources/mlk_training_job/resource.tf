resource "mlk_training_job" "resnet" {
  name      = "resnet50"
  namespace = "ml"

  image   = "pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime"
  command = ["python", "/app/train.py"]
  args    = ["--epochs=100", "--checkpoint-dir=/checkpoints"]
  env     = { NCCL_DEBUG = "INFO" }

  gpu = {
    count    = 2
    products = ["NVIDIA-A100-SXM4-80GB"]
  }
  resources = {
    requests = { cpu = "16", memory = "64Gi" }
    limits   = { memory = "64Gi" }
  }
  shared_memory = "16Gi"

  volumes = {
    data        = { mount_path = "/data", claim = "imagenet", read_only = true }
    checkpoints = { mount_path = "/checkpoints", claim = "checkpoints" }
  }

  # Preemption and node drains do not use up a try; exit code 42 is not worth another.
  backoff_limit = 3
  pod_failure_policy = [
    { action = "Ignore", on_pod_conditions = [{ type = "DisruptionTarget" }] },
    { action = "FailJob", on_exit_codes = { operator = "In", values = [42] } },
  ]

  # Wait for the end, and keep the Job for a day after it.
  wait_for                   = "completed"
  ttl_seconds_after_finished = 86400
  timeouts                   = { create = "12h" }

  # A new value runs the training again.
  triggers = { data = "2026-11-01" }

  # What no attribute says, in Kubernetes' own words.
  patch = { Job = { spec = { podReplacementPolicy = "Failed" } } }
}

# The container wrote {"accuracy": 0.93} to /dev/termination-log.
output "accuracy" {
  value = mlk_training_job.resnet.result["accuracy"]
}
