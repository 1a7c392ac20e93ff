import {
  to = mlk_training_schedule.retrain
  id = "ml/retrain-ranker" # namespace/name of the CronJob
}
