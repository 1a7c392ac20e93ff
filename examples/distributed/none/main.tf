# Shards of a data set, each by a pod of its own: the number of the shard is JOB_COMPLETION_INDEX.
# A shard that fails three times is given up, and one such shard may be missing.
resource "mlk_training_job" "embed" {
  name      = "embed"
  namespace = "ml"

  image   = "ghcr.io/acme/embed:2"
  command = ["sh", "-c", "exec python /app/embed.py --shard $JOB_COMPLETION_INDEX --of 16"]
  gpu     = { count = 1 }

  distributed             = { nodes = 16 }
  backoff_limit_per_index = 3
  max_failed_indexes      = 1
}
