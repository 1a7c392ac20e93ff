resource "mlk_volume_claim" "example" {
  name          = "checkpoints"
  namespace     = "research"
  storage_class = "fast"

  # A minimum: raising it grows the volume in place.
  size = "500Gi"
}
