# Rank 0 runs mpirun, which finds the other hosts in /etc/mlk/hostfile; they run an SSH server.
# The key pair comes from a Secret. The run succeeds when rank 0 does.
resource "mlk_training_job" "hpl" {
  name      = "hpl"
  namespace = "ml"

  image = "ghcr.io/acme/hpl:1.4"
  command = [
    "sh", "-c",
    "if [ \"$JOB_COMPLETION_INDEX\" = 0 ]; then exec mpirun --allow-run-as-root /app/hpl; else exec /usr/sbin/sshd -De; fi",
  ]

  gpu     = { count = 8 }
  volumes = { ssh = { mount_path = "/root/.ssh", secret = { name = "mpi-ssh", default_mode = "0400" } } }

  distributed = {
    nodes    = 4
    launcher = "mpi"
  }
}
