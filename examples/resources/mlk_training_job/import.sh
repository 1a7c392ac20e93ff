# namespace/name of the Job
terraform import mlk_training_job.resnet ml/resnet50-4x7qzk2a
