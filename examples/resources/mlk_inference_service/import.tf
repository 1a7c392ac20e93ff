import {
  to = mlk_inference_service.llama
  id = "ml/llama" # namespace/name of the Deployment
}
