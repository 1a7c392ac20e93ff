terraform {
  required_providers {
    mlk = { source = "mlkube/mlk" }
  }
}

resource "mlk_training_job" "classifier" {
  name      = "classifier"
  namespace = "ml"

  image   = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
  command = ["python", "/app/train.py"]

  # The run has to end before anybody can judge it.
  wait_for = "completed"

  # On a cluster with simulated nodes: what the training would write to /dev/termination-log.
  pod_annotations = { "mlk.dev/simulate" = "succeed:after=2s,message={\"accuracy\": 0.93, \"checkpoint\": \"s3://models/classifier/93\"}" }
}

# The gate: what comes after it needs its output, and gets it only from a run that is good enough.
resource "terraform_data" "approved" {
  input = mlk_training_job.classifier.result["checkpoint"]

  lifecycle {
    precondition {
      condition     = tonumber(mlk_training_job.classifier.result["accuracy"]) >= 0.9
      error_message = "The run reached an accuracy of ${mlk_training_job.classifier.result["accuracy"]}; 0.9 is needed to deploy it."
    }
  }
}

# Serve the checkpoint in one pod, to try it; a deployment takes terraform_data.approved.output likewise.
resource "mlk_pod" "server" {
  name      = "classifier"
  namespace = "ml"

  image = "ghcr.io/acme/server:1"
  args  = ["--model", terraform_data.approved.output]
}
