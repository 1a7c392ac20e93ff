package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

func TestAsWritten(t *testing.T) {
	t.Parallel()
	const live = `
spec:
  initContainers: [{name: a}, {name: b}]
  containers:
  - name: side
    resources: {limits: {nvidia.com/gpu: "1", memory: 1Gi}, requests: {cpu: "1"}}
  - name: main
    resources: {limits: {nvidia.com/gpu: "1"}, requests: {nvidia.com/gpu: "1"}}
    env:
    - {name: IP, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: status.podIP}}}
    - {name: Z, value: "1"}
    - {name: A, value: $(Z)}
    volumeMounts: [{name: y, mountPath: /y}, {name: x, mountPath: /x}]
  volumes: [{name: y, emptyDir: {}}, {name: x, emptyDir: {}}]
  tolerations: [{key: b}, {key: a}]
`
	for name, tc := range map[string]struct{ wanted, want string }{
		"all is there, in another order": {
			`spec: {containers: [{name: main, env: [{name: A, value: $(Z)}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: Z, value: "1"}], volumeMounts: [{name: x, mountPath: /x}, {name: y, mountPath: /y}]}, {name: side}], volumes: [{name: x, emptyDir: {}}, {name: y, emptyDir: {}}]}`,
			`spec: {containers: [{name: side}, {name: main, env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: Z, value: "1"}, {name: A, value: $(Z)}], volumeMounts: [{name: y, mountPath: /y}, {name: x, mountPath: /x}]}], volumes: [{name: y, emptyDir: {}}, {name: x, emptyDir: {}}]}`,
		},
		"a variable that changed may need another before it": {
			`spec: {containers: [{name: side}, {name: main, env: [{name: A, value: "1"}, {name: IP, value: x}, {name: Z, value: $(A)}]}]}`,
			`spec: {containers: [{name: side}, {name: main, env: [{name: A, value: "1"}, {name: IP, value: x}, {name: Z, value: $(A)}]}]}`,
		},
		"a volume more": {
			`spec: {volumes: [{name: x, emptyDir: {}}, {name: y, emptyDir: {}}, {name: z, emptyDir: {}}]}`,
			`spec: {volumes: [{name: x, emptyDir: {}}, {name: y, emptyDir: {}}, {name: z, emptyDir: {}}]}`,
		},
		"a volume less": {
			`spec: {volumes: [{name: x, emptyDir: {}}]}`,
			`spec: {volumes: [{name: x, emptyDir: {}}]}`,
		},
		"requests that repeat a limit": {
			`spec: {containers: [{name: side, resources: {limits: {nvidia.com/gpu: "1", memory: 1Gi}, requests: {nvidia.com/gpu: "1", memory: 1024Mi, cpu: "1"}}}, {name: main, resources: {limits: {nvidia.com/gpu: "1"}, requests: {nvidia.com/gpu: "1"}}}]}`,
			`spec: {containers: [{name: side, resources: {limits: {nvidia.com/gpu: "1", memory: 1Gi}, requests: {cpu: "1"}}}, {name: main, resources: {limits: {nvidia.com/gpu: "1"}, requests: {nvidia.com/gpu: "1"}}}]}`,
		},
		"a request below its limit is none": {
			`spec: {containers: [{name: side, resources: {limits: {memory: 1Gi}, requests: {memory: 512Mi}}}, {name: main}]}`,
			`spec: {containers: [{name: side, resources: {limits: {memory: 1Gi}, requests: {memory: 512Mi}}}, {name: main}]}`,
		},
		"init containers run in their order": {
			`spec: {initContainers: [{name: b}, {name: a}]}`,
			`spec: {initContainers: [{name: b}, {name: a}]}`,
		},
		"lists without keys stay": {
			`spec: {tolerations: [{key: a}, {key: b}]}`,
			`spec: {tolerations: [{key: a}, {key: b}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted := &unstructured.Unstructured{Object: fromYAML(t, tc.wanted)}
			kube.AsWritten(wanted, &unstructured.Unstructured{Object: fromYAML(t, live)})
			if diff := cmp.Diff(fromYAML(t, tc.want), wanted.Object); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The templates of a custom resource get no defaults from the server: those that
// somebody spelled out stay, or the pods would be made anew.
func TestAsWrittenSpelledOut(t *testing.T) {
	t.Parallel()
	live := fromYAML(t, `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
spec:
  startupPolicy: LeaderCreated
  leaderWorkerTemplate:
    restartPolicy: RecreateGroupOnPodRestart
    workerTemplate: {spec: {schedulerName: other, dnsPolicy: ClusterFirst, containers: [{name: side}, {name: main, readinessProbe: {periodSeconds: 10, timeoutSeconds: 5}}]}}`)
	wanted := &unstructured.Unstructured{Object: fromYAML(t, `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
spec: {leaderWorkerTemplate: {workerTemplate: {spec: {containers: [{name: main, readinessProbe: {timeoutSeconds: 6}}]}}}}`)}
	kube.AsWritten(wanted, &unstructured.Unstructured{Object: live})
	want := fromYAML(t, `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
spec:
  leaderWorkerTemplate:
    restartPolicy: RecreateGroupOnPodRestart
    workerTemplate: {spec: {dnsPolicy: ClusterFirst, containers: [{name: main, readinessProbe: {periodSeconds: 10, timeoutSeconds: 6}}]}}`)
	if d := cmp.Diff(want, wanted.Object); d != "" {
		t.Error(d)
	}
}
