variable "namespace" {
  type = string
}

# A served model, by a runtime that comes with KServe.
resource "mlk_inference_service" "api" {
  name            = "api"
  namespace       = var.namespace
  engine          = "kserve"
  kserve          = { model_format = "sklearn", runtime = "kserve-sklearnserver" }
  model           = { source = "s3://bucket/iris" }
  pod_annotations = { "mlk.dev/simulate" = "run" }
  autoscaling     = { min_replicas = 1, max_replicas = 3, cpu_percent = 80 }
  force_conflicts = true
}
