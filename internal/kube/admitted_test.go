package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// admitted is a pod as a cluster stores it, shortened.
const admitted = `
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  nodeName: a100-0
  priority: 0
  preemptionPolicy: PreemptLowerPriority
  serviceAccount: default
  serviceAccountName: default
  containers:
  - name: main
    image: busybox:1.36
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: kube-api-access-x7k2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - name: side
    image: busybox:1.36
    volumeMounts:
    - {name: kube-api-access-x7k2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  volumes:
  - {name: data, emptyDir: {}}
  - {name: kube-api-access-x7k2p, projected: {sources: []}}
  tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
`

func TestDeclared(t *testing.T) {
	t.Parallel()
	const plain = `
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
  - name: main
    image: busybox:1.36
    volumeMounts: [{name: data, mountPath: /data}]
  - {name: side, image: "busybox:1.36"}
  volumes: [{name: data, emptyDir: {}}]
  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
`
	const said = `
spec:
  nodeName: a100-0
  serviceAccountName: default
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
`
	const asSaid = `
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  nodeName: a100-0
  serviceAccountName: default
  containers:
  - name: main
    image: busybox:1.36
    volumeMounts: [{name: data, mountPath: /data}]
  - {name: side, image: "busybox:1.36"}
  volumes: [{name: data, emptyDir: {}}]
  tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
`
	for name, tc := range map[string]struct{ live, wanted, want string }{
		"nothing is said":              {admitted, "{}", plain},
		"what is said stays":           {admitted, said, asSaid},
		"other kinds stay as they are": {"{kind: Job, apiVersion: batch/v1, spec: {nodeName: x}}", "{}", "{kind: Job, apiVersion: batch/v1, spec: {nodeName: x}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := fromYAML(t, tc.live)
			if diff := cmp.Diff(fromYAML(t, tc.want), kube.Declared(live, fromYAML(t, tc.wanted))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(fromYAML(t, tc.live), live); diff != "" {
				t.Errorf("the live object was changed:\n%s", diff)
			}
		})
	}
}

func fromYAML(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
