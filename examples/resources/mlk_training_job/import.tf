import {
  to = mlk_training_job.resnet
  id = "ml/resnet50-4x7qzk2a" # namespace/name of the Job
}
