# namespace/name of the CronJob
terraform import mlk_training_schedule.retrain ml/retrain-ranker
