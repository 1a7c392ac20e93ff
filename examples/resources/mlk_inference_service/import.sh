# namespace/name of the Deployment; its Service is found by its selector
terraform import mlk_inference_service.llama ml/llama
