package cli

const about = `devcluster runs a real Kubernetes control plane (etcd, API server, controller manager,
scheduler) on 127.0.0.1, with nodes and pods simulated by KWOK. Several clusters can run
side by side under different names. No containers and no root are needed.

  devcluster up
  export KUBECONFIG=$(devcluster kubeconfig)
  kubectl get nodes -L nvidia.com/gpu.product
  devcluster down

Clusters live under $DEVCLUSTER_HOME, or mlk-devcluster in the user's cache directory.
The kwok program lies beside devcluster, or is named by $DEVCLUSTER_KWOK; so do the
engines, in a folder of that name, or $DEVCLUSTER_ENGINES.

` + podHelp

const podHelp = `What a pod does is said by annotations on the pod (in a Job or Deployment: on its
template). Without any, a Job's pod succeeds after a second and every other pod runs.

  mlk.dev/simulate: VERB[:KEY=VALUE[,KEY=VALUE…]]

  succeed       ends with exit code 0                           after, message
  run, hang     runs for ever (hang: say so for a Job's pod)
  fail          ends with exit code 1; with restartPolicy       exit, after, times, container, message
                OnFailure or Always it is restarted (CrashLoopBackOff)
  crashloop     another word for fail, for Deployments
  oom           like fail, OOMKilled with exit code 137         after, times, container
  never-ready   runs, but the readiness probe fails             container
  slow-ready    becomes ready after a while                     after, container
  imagepull     ErrImagePull and ImagePullBackOff by turns      container, message
  configerror   waits with CreateContainerConfigError           container, message
  stuck-creating  waits with ContainerCreating                  container
  waiting       waits with any reason                           reason, container, message
  init-fail     the first init container fails                  exit, message
  evict         the kubelet evicts the pod                      after, message

  after=3s      how long the container runs first: seconds or minutes (2m); 1s unless said
  exit=N        exit code
  times=N       fail so often, then run on (restartPolicy OnFailure: succeed)
  container=C   the container it is about; the first unless said
  reason=R      the waiting reason, for example InvalidImageName
  message=TEXT  the termination or waiting message. It must be the last key and takes all
                the rest, commas too: succeed:after=1s,message={"accuracy":"0.93"}

  mlk.dev/log: training | server | traceback | cuda-oom | nccl | TEXT
                what the containers log; by default what suits the pod and its end
  mlk.dev/backoff: 500ms          the pause between restarts (1s, growing after the fifth)
  mlk.dev/sigterm: ignore         deletion takes the whole grace period

On claims the same annotation says provision-fail, provision-stuck or expand-fail, each with
:message=TEXT if you like. Volumes come from provisioner mlk.dev/local and those configured.

On nodes: mlk.dev/node: not-ready makes a node NotReady; mlk.dev/node: lost makes it vanish
(Unknown after some 50 s, pods evicted after their tolerations); removing the annotation
brings it back within 30 s. Labels nvidia.com/mig.config (all-3g.40gb, all-balanced, all-disabled, …) and
nvidia.com/device-plugin.config (ts-4: four replicas per GPU) act as the GPU Operator does.`

const configHelp = `The configuration file; every field may be left out:

  nodePools:
  - name: a100                     # nodes a100-0, a100-1, …
    count: 2
    gpu:
      product: NVIDIA-A100-SXM4-80GB
      count: 8
      memory: 80Gi                 # known for the usual products; a plain number is MiB
      mig: all-3g.40gb             # MIG layout, strategy mixed
      resource: nvidia.com/gpu     # amd.com/gpu and others get no NVIDIA labels
    cpu: "192"
    memory: 2Ti
    labels: {team: vision}
    annotations: {}
    taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]
    zone: us-east-1a
    topology:                      # runs of so many nodes share the label's value
    - {label: cloud.provider.com/topology-block, nodes: 4}
    - {label: cloud.provider.com/topology-rack, nodes: 2}
    resources: {rdma/ib: 8}        # further extended resources
  featureGates: {GenericWorkload: true}
  runtimeConfig: {scheduling.k8s.io/v1beta1: true}
  provisioners: [ebs.csi.aws.com]  # volume drivers to stand in for, besides mlk.dev/local
  engines: [jobset, kueue]         # controllers (kubeflow, karpenter, lws, volcano too) to run beside the control plane
  crds: [trainer]                  # kinds that are there without their controller`
