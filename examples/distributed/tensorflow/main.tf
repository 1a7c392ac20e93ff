# tf.distribute.MultiWorkerMirroredStrategy reads TF_CONFIG.
resource "mlk_training_job" "mnist" {
  name      = "mnist"
  namespace = "ml"

  image   = "tensorflow/tensorflow:2.19.0-gpu"
  command = ["python", "/app/train.py"]
  gpu     = { count = 1 }

  distributed = {
    nodes    = 4
    launcher = "tensorflow"
  }
}
