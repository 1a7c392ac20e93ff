# DeepSpeed starts the processes of each node by itself: no SSH between the nodes.
resource "mlk_training_job" "bloom" {
  name      = "bloom"
  namespace = "ml"

  image = "deepspeed/deepspeed:latest"
  command = [
    "sh", "-c",
    "exec deepspeed --hostfile /etc/mlk/hostfile --no_ssh --node_rank $JOB_COMPLETION_INDEX --master_addr $MASTER_ADDR --master_port $MASTER_PORT /app/train.py --deepspeed_config /app/zero3.json",
  ]

  gpu           = { count = 8 }
  shared_memory = "64Gi"

  # InfiniBand: the device, and memory that is not swapped. The namespace must allow
  # the capability (Pod Security level "privileged").
  resources        = { limits = { "rdma/ib" = "1" } }
  security_context = { capabilities = { add = ["IPC_LOCK"] } }

  distributed = {
    nodes    = 2
    launcher = "deepspeed"
  }
}
