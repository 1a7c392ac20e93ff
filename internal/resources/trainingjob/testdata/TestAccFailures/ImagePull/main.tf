variable "namespace" {
  type = string
}

resource "mlk_training_job" "run" {
  name            = "train"
  namespace       = var.namespace
  image           = "pytorch/pytorch:2.l"
  pod_annotations = { "mlk.dev/simulate" = "imagepull" }

}
