# A model repository in an object store, loaded before Triton starts. The Secret
# "s3" has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
resource "mlk_inference_service" "vision" {
  name      = "vision"
  namespace = "ml"
  replicas  = 2

  runtime = "triton"
  image   = "nvcr.io/nvidia/tritonserver:25.09-py3"
  gpu     = { count = 1 }
  model   = { source = "s3://models/vision", token_secret = "s3" }
}

output "url" {
  value = mlk_inference_service.vision.url
}
