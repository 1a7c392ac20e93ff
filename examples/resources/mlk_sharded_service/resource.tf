resource "mlk_sharded_service" "vectors" {
  name      = "vectors"
  namespace = "ml"
  replicas  = 3

  image = "qdrant/qdrant:v1.12.4"
  ports = { http = { port = 6333 }, peer = { port = 6335 } }
  resources = {
    requests = { cpu = "2", memory = "8Gi" }
    limits   = { memory = "8Gi" }
  }
  readiness_probe = { http_get = { path = "/readyz", port = "http" } }

  # Each pod has a volume of its own. Raising size grows all of them in place.
  claim_templates = { storage = { size = "100Gi", storage_class = "fast" } }
  volumes         = { storage = { mount_path = "/qdrant/storage" } }

  # All at once: the pods look for each other before they are ready.
  pod_management_policy = "Parallel"
}

# vectors-0.vectors.ml.svc, vectors-1.vectors.ml.svc, …
output "peers" {
  value = mlk_sharded_service.vectors.hosts
}
