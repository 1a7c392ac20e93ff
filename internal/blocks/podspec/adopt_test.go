package podspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestAdopt reads what others wrote; want is the model in the words of the schema.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, template, want string }{
		{
			"gpu with its toleration",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 2, memory: 1Gi}, requests: {nvidia.com/gpu: 2, memory: 1Gi}}}],
			tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]}`,
			`{image: "a:1", gpu: {count: 2}, resources: {limits: {memory: 1Gi}}}`,
		},
		{
			"gpu without a toleration",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}]}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false}}`,
		},
		{
			"toleration that is not the last",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}],
			tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}, {operator: Exists}]}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false},
			scheduling: {tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}, {operator: Exists}]}}`,
		},
		{
			"toleration twice",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}],
			tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}, {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false},
			scheduling: {tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}, {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]}}`,
		},
		{
			"request that is not the limit",
			`spec: {containers: [{name: main, image: "a:1", resources: {requests: {nvidia.com/gpu: 1}}}]}`,
			`{image: "a:1", resources: {requests: {nvidia.com/gpu: "1"}}}`,
		},
		{
			"no gpu at all",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 0}}}]}`,
			`{image: "a:1", resources: {limits: {nvidia.com/gpu: "0"}}}`,
		},
		{
			"network cards are no gpu",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {vpc.amazonaws.com/efa: 4, aws.amazon.com/neuron: 16}}}]}`,
			`{image: "a:1", gpu: {count: 16, resource: aws.amazon.com/neuron, tolerate_taint: false}, resources: {limits: {vpc.amazonaws.com/efa: "4"}}}`,
		},
		{
			"products in the only term",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
			{nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}, {key: nvidia.com/gpu.product, operator: In, values: [T4]}]}]}}}}`,
			`{image: "a:1", gpu: {count: 1, products: [T4], tolerate_taint: false}, scheduling: {node_affinity: {required: [{expressions: [{key: zone, operator: In, values: [a]}]}]}}}`,
		},
		{
			"products in one of two terms",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
			{nodeSelectorTerms: [{matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [T4]}]}, {matchExpressions: [{key: zone, operator: Exists}]}]}}}}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false}, scheduling: {node_affinity: {required: [
			{expressions: [{key: nvidia.com/gpu.product, operator: In, values: [T4]}]}, {expressions: [{key: zone, operator: Exists}]}]}}}`,
		},
		{
			"products before others",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
			{nodeSelectorTerms: [{matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [T4]}, {key: zone, operator: Exists}]}]}}}}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false}, scheduling: {node_affinity: {required: [
			{expressions: [{key: nvidia.com/gpu.product, operator: In, values: [T4]}, {key: zone, operator: Exists}]}]}}}`,
		},
		{
			"numbers that are none",
			`spec: {containers: [{name: main, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
			{nodeSelectorTerms: [{matchExpressions: [{key: nvidia.com/gpu.memory, operator: Gt, values: ["007"]}]}]}}}}`,
			`{image: "a:1", gpu: {count: 1, tolerate_taint: false}, scheduling: {node_affinity: {required: [
			{expressions: [{key: nvidia.com/gpu.memory, operator: Gt, values: ["007"]}]}]}}}`,
		},
		{
			"the main container is the one of that name",
			`spec: {containers: [{name: proxy, image: "b:1"}, {name: main, image: "a:1"}]}`,
			`{image: "a:1", extra_containers: {proxy: {image: "b:1"}}}`,
		},
		{
			"else the first",
			`spec: {containers: [{name: trainer, image: "a:1"}, {name: proxy, image: "b:1", resources: {limits: {nvidia.com/gpu: 1}}}]}`,
			`{image: "a:1", container_name: trainer, extra_containers: {proxy: {image: "b:1", resources: {limits: {nvidia.com/gpu: "1"}}}}}`,
		},
		{
			"what the server and controllers fill in",
			`metadata: {labels: {app: x, controller-uid: u, job-name: j, batch.kubernetes.io/controller-uid: u, pod-template-hash: h}}
spec:
  restartPolicy: Never
  dnsPolicy: ClusterFirst
  schedulerName: default-scheduler
  securityContext: {}
  terminationGracePeriodSeconds: 30
  serviceAccount: sa
  serviceAccountName: sa
  enableServiceLinks: true
  containers:
  - name: main
    image: a
    imagePullPolicy: Always
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    resources: {}
    ports: [{containerPort: 80, protocol: TCP}]
    env: [{name: N, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]
    livenessProbe: {httpGet: {path: /, port: 80, scheme: HTTP}, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}
    volumeMounts: [{name: c, mountPath: /c}]
  volumes: [{name: c, configMap: {name: c, defaultMode: 420}}]`,
			`{image: a, pod_labels: {app: x}, service_account: sa, ports: {"80": {}}, env_value_from: {N: {field: metadata.name}},
			liveness_probe: {http_get: {path: /, port: "80"}}, volumes: {c: {mount_path: /c, config_map: {name: c}}}}`,
		},
		{
			"shared memory under another name or without a limit is a volume",
			`spec: {containers: [{name: main, image: "a:1", volumeMounts: [{name: dshm, mountPath: /dev/shm}]}], volumes: [{name: dshm, emptyDir: {medium: Memory}}]}`,
			`{image: "a:1", volumes: {dshm: {mount_path: /dev/shm, empty_dir: {medium: Memory}}}}`,
		},
		{
			"shared memory seen by two containers is a volume",
			`spec: {containers: [{name: main, image: "a:1", volumeMounts: [{name: dshm, mountPath: /dev/shm}]}, {name: b, image: "b:1", volumeMounts: [{name: dshm, mountPath: /dev/shm}]}],
			volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]}`,
			`{image: "a:1", extra_containers: {b: {image: "b:1"}}, volumes: {dshm: {empty_dir: {medium: Memory, size_limit: 1Gi}, mounts: [{path: /dev/shm}, {path: /dev/shm, container: b}]}}}`,
		},
		{
			"a volume no attribute can say goes to patch with its mounts",
			`spec: {containers: [{name: main, image: "a:1", volumeMounts: [{name: x, mountPath: /x}]}], volumes: [{name: x, iscsi: {targetPortal: p, iqn: q, lun: 0}}]}`,
			`{image: "a:1"}`,
		},
		{
			"a claim template of a stateful set",
			`spec: {containers: [{name: main, image: "a:1", volumeMounts: [{name: x, mountPath: /x}]}]}`,
			`{image: "a:1", volumes: {x: {mount_path: /x}}}`,
		},
		{
			"two variables of one name",
			`spec: {containers: [{name: main, image: "a:1", env: [{name: A, value: "1"}, {name: A, value: "2"}]}]}`,
			`{image: "a:1", env: {A: "2"}}`,
		},
		{
			"pool among other labels",
			`spec: {containers: [{name: main, image: "a:1"}], nodeSelector: {pool.mlk.dev/a100: "true", zone: a}}`,
			`{image: "a:1", scheduling: {node_pool: a100, node_selector: {zone: a}}}`,
		},
		{
			"two pools",
			`spec: {containers: [{name: main, image: "a:1"}], nodeSelector: {pool.mlk.dev/a: "true", pool.mlk.dev/b: "true"}}`,
			`{image: "a:1", scheduling: {node_selector: {pool.mlk.dev/a: "true", pool.mlk.dev/b: "true"}}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var template corev1.PodTemplateSpec
			if err := yaml.UnmarshalStrict([]byte(untabbed(c.template)), &template); err != nil {
				t.Fatal(err)
			}
			got, ds := Adopt(&template)
			if ds.HasError() {
				t.Fatal(ds)
			}
			if d := cmp.Diff(modelOf(t, rawOf(t, untabbed(c.want))), &got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestAdoptLike keeps to the way the model has it.
func TestAdoptLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, model string }{
		{"gpu in resources", `{image: "a:1", resources: {limits: {nvidia.com/gpu: "1"}}, scheduling: {tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]}}`},
		{"gpu with its resource spelled out", `{image: "a:1", gpu: {count: 1, resource: nvidia.com/gpu, tolerate_taint: true}}`},
		{"a resource of one's own", `{image: "a:1", gpu: {count: 1, resource: example.com/gpu}}`},
		{"mig by resource", `{image: "a:1", gpu: {count: 1, resource: nvidia.com/mig-1g.5gb}}`},
		{"own toleration of the same taint", `{image: "a:1", gpu: {count: 1}, scheduling: {tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]}}`},
		{"products in scheduling", `{image: "a:1", gpu: {count: 1}, scheduling: {node_affinity: {required: [{expressions: [{key: nvidia.com/gpu.product, operator: In, values: [T4]}]}]}}}`},
		{"requests equal to limits", `{image: "a:1", resources: {requests: {cpu: "1"}, limits: {cpu: "1", memory: 1Gi}}}`},
		{"shared memory as a volume", `{image: "a:1", volumes: {dshm: {mount_path: /dev/shm, empty_dir: {medium: Memory, size_limit: 1Gi}}}}`},
		{"one mount in the long form", `{image: "a:1", volumes: {data: {claim: d, mounts: [{path: /d}]}}}`},
		{"mounts in their order, naming the main container", `{image: "a:1", extra_containers: {b: {image: "b:1"}}, volumes: {data: {claim: d, mounts: [{path: /z, container: b}, {path: /d, container: main}, {path: /a}]}}}`},
		{"pool as a label", `{image: "a:1", scheduling: {node_selector: {pool.mlk.dev/a100: "true"}}}`},
		{"name spelled out", `{image: "a:1", container_name: main}`},
		{"main container behind others", `{image: "a:1", container_name: z, extra_containers: {a: {image: "b:1"}}}`},
		{"port number in both places", `{image: "a:1", ports: {"80": {port: 80}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := modelOf(t, rawOf(t, c.model))
			got, ds := AdoptLike(templateOf(t, applied(t, m)), m)
			if ds.HasError() {
				t.Fatal(ds)
			}
			if d := cmp.Diff(m, &got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAdoptLikeSeesStrangers(t *testing.T) {
	t.Parallel()
	m := modelOf(t, rawOf(t, `{image: "a:1", volumes: {data: {claim: d, mount_path: /d}}}`))
	template := templateOf(t, applied(t, m))
	main := &template.Spec.Containers[0]
	main.VolumeMounts = append([]corev1.VolumeMount{{Name: "data", MountPath: "/b"}}, main.VolumeMounts...)
	template.Spec.Containers = append([]corev1.Container{{Name: "istio-proxy", Image: "istio:1"}}, template.Spec.Containers...)
	got, ds := AdoptLike(template, m)
	if ds.HasError() {
		t.Fatal(ds)
	}
	got.ExtraContainers = nil
	if d := cmp.Diff(m, &got); d != "" {
		t.Errorf("a sidecar and a mount of somebody else show: %s", d)
	}
}
