resource "mlk_training_schedule" "retrain" {
  name      = "retrain-ranker"
  namespace = "ml"

  # Every night at two, in Berlin; a run that is still under way is left alone.
  schedule                  = "0 2 * * *"
  time_zone                 = "Europe/Berlin"
  concurrency_policy        = "Forbid"
  starting_deadline_seconds = 3600

  image   = "ghcr.io/acme/ranker:2.3"
  command = ["python", "-m", "ranker.train", "--since=yesterday"]
  gpu     = { count = 1, products = ["NVIDIA-A100-SXM4-80GB"] }
  volumes = { models = { mount_path = "/models", claim = "models" } }

  backoff_limit                 = 2
  active_deadline_seconds       = 14400
  successful_jobs_history_limit = 7
  failed_jobs_history_limit     = 3
}

output "last_run" {
  value = mlk_training_schedule.retrain.last_run
}
