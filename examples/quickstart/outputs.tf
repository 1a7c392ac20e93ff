output "run" {
  description = "Name of the run, which is the name of its Job."
  value       = mlk_training_job.resnet.run_name
}

output "phase" {
  description = "What became of the run."
  value       = mlk_training_job.resnet.status.phase
}

output "result" {
  description = "What the training reported when it ended."
  value       = mlk_training_job.resnet.result
}
