package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// pod wraps a pod spec into a Job.
func pod(spec string) string { return `{"spec":{"template":{"spec":` + spec + `}}}` }

func TestResidual(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		live, wanted string
		want         string // "" is nil
	}{
		"nothing left":             {`{"spec":{"backoffLimit":4}}`, `{"spec":{"backoffLimit":4}}`, ""},
		"bookkeeping":              {`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"x","uid":"u"},"status":{"active":1}}`, `{}`, ""},
		"a field nobody says":      {`{"spec":{"activeDeadlineSeconds":9}}`, `{"spec":{}}`, `{"spec":{"activeDeadlineSeconds":9}}`},
		"another value":            {`{"spec":{"ttlSecondsAfterFinished":9}}`, `{"spec":{"ttlSecondsAfterFinished":8}}`, `{"spec":{"ttlSecondsAfterFinished":9}}`},
		"defaults":                 {`{"spec":{"backoffLimit":6,"completions":1,"parallelism":1,"completionMode":"NonIndexed","suspend":false,"manualSelector":false,"podReplacementPolicy":"TerminatingOrFailed"}}`, `{"spec":{}}`, ""},
		"not the default":          {`{"spec":{"backoffLimit":5,"suspend":true}}`, `{}`, `{"spec":{"backoffLimit":5,"suspend":true}}`},
		"the default of a policy":  {`{"spec":{"podFailurePolicy":{"rules":[]},"podReplacementPolicy":"Failed"}}`, `{"spec":{"podFailurePolicy":{"rules":[]}}}`, ""},
		"the controller's":         {`{"spec":{"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"u"}}}}`, `{"spec":{}}`, ""},
		"the user's selector":      {`{"spec":{"manualSelector":true,"selector":{"matchLabels":{"a":"b"}}}}`, `{}`, `{"spec":{"manualSelector":true,"selector":{"matchLabels":{"a":"b"}}}}`},
		"a work queue":             {`{"spec":{"parallelism":3}}`, `{}`, `{"spec":{"parallelism":3}}`},
		"what live does not have":  {`{"spec":{}}`, `{"spec":{"suspend":true}}`, `{"spec":{"suspend":null}}`},
		"a zero live lacks":        {`{"spec":{}}`, `{"spec":{"manualSelector":false}}`, ""},
		"defaults of a pod":        {pod(`{"restartPolicy":"Never","dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler","terminationGracePeriodSeconds":30,"securityContext":{}}`), pod(`{"restartPolicy":"Never"}`), ""},
		"not defaults of a pod":    {pod(`{"dnsPolicy":"Default","terminationGracePeriodSeconds":0,"hostNetwork":true}`), pod(`{}`), pod(`{"dnsPolicy":"Default","terminationGracePeriodSeconds":0,"hostNetwork":true}`)},
		"the old service account":  {pod(`{"serviceAccountName":"a","serviceAccount":"a"}`), pod(`{"serviceAccountName":"a"}`), ""},
		"defaults of a container":  {pod(`{"containers":[{"name":"a","image":"x:1","imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","resources":{}}]}`), pod(`{"containers":[{"name":"a","image":"x:1"}]}`), ""},
		"pull policy of latest":    {pod(`{"containers":[{"name":"a","image":"r:5000/x","imagePullPolicy":"Always"},{"name":"b","image":"x:latest","imagePullPolicy":"Always"},{"name":"c","image":"x@sha256:0","imagePullPolicy":"IfNotPresent"}]}`), pod(`{"containers":[{"name":"a","image":"r:5000/x"},{"name":"b","image":"x:latest"},{"name":"c","image":"x@sha256:0"}]}`), ""},
		"pull policy of one's own": {pod(`{"containers":[{"name":"a","image":"x:1","imagePullPolicy":"Always"}]}`), pod(`{"containers":[{"name":"a","image":"x:1"}]}`), pod(`{"containers":[{"name":"a","imagePullPolicy":"Always"}]}`)},
		"requests follow limits":   {pod(`{"containers":[{"name":"a","resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1000m","memory":"1Gi"}}}]}`), pod(`{"containers":[{"name":"a","resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}`), ""},
		"a request of one's own":   {pod(`{"containers":[{"name":"a","resources":{"limits":{"cpu":"2"},"requests":{"cpu":"1"}}}]}`), pod(`{"containers":[{"name":"a","resources":{"limits":{"cpu":"2"}}}]}`), pod(`{"containers":[{"name":"a","resources":{"requests":{"cpu":"1"}}}]}`)},
		"defaults of a probe":      {pod(`{"containers":[{"name":"a","livenessProbe":{"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}}]}`), pod(`{"containers":[{"name":"a","livenessProbe":{"httpGet":{"path":"/","port":80}}}]}`), ""},
		"another container":        {pod(`{"containers":[{"name":"a"},{"name":"b","image":"y:1","imagePullPolicy":"IfNotPresent"}]}`), pod(`{"containers":[{"name":"a"}]}`), pod(`{"containers":[{"name":"b","image":"y:1"}]}`)},
		"a container too many":     {pod(`{"containers":[{"name":"a"}]}`), pod(`{"containers":[{"name":"a"},{"name":"b"}]}`), pod(`{"containers":[{"name":"b","$patch":"delete"}]}`)},
		"an empty volume":          {pod(`{"volumes":[{"name":"v","emptyDir":{}}]}`), pod(`{}`), pod(`{"volumes":[{"name":"v","emptyDir":{}}]}`)},
		"mode of a volume":         {pod(`{"volumes":[{"name":"v","secret":{"secretName":"s","defaultMode":420}}]}`), pod(`{"volumes":[{"name":"v","secret":{"secretName":"s"}}]}`), ""},
		"another mode":             {pod(`{"volumes":[{"name":"v","secret":{"secretName":"s","defaultMode":256}}]}`), pod(`{"volumes":[{"name":"v","secret":{"secretName":"s"}}]}`), pod(`{"volumes":[{"name":"v","secret":{"defaultMode":256}}]}`)},
		"a list without keys":      {pod(`{"tolerations":[{"key":"a","operator":"Exists"}]}`), pod(`{"tolerations":[{"key":"b"}]}`), pod(`{"tolerations":[{"key":"a","operator":"Exists"}]}`)},
		"more in such a list":      {pod(`{"tolerations":[{"key":"a","operator":"Exists"}]}`), pod(`{"tolerations":[{"key":"a"}]}`), pod(`{"tolerations":[{"key":"a","operator":"Exists"}]}`)},
		"labels of controllers":    {`{"spec":{"template":{"metadata":{"labels":{"job-name":"x","batch.kubernetes.io/job-name":"x","controller-uid":"u"}}}}}`, `{"spec":{"template":{}}}`, ""},
		"labels of people":         {`{"spec":{"template":{"metadata":{"labels":{"job-name":"x","team":"a"}}}}}`, `{"spec":{"template":{}}}`, `{"spec":{"template":{"metadata":{"labels":{"team":"a"}}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Residual(Job, tree(t, tc.live), tree(t, tc.wanted))
			var want map[string]any
			if tc.want != "" {
				want = tree(t, tc.want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got == nil {
				return
			}
			// What it is for: merged over wanted it gives live, but for defaults.
			typed, err := scheme.Scheme.New(Job.GVK())
			if err != nil {
				t.Fatal(err)
			}
			merged, err := strategicpatch.StrategicMergeMapPatch(tree(t, tc.wanted), got, typed)
			if err != nil {
				t.Fatal(err)
			}
			if again := Residual(Job, tree(t, tc.live), merged); again != nil {
				t.Errorf("merged, this is still left: %v", again)
			}
		})
	}
}

// TestResidualChangesNothing: live objects are shared with the watch.
func TestResidualChangesNothing(t *testing.T) {
	t.Parallel()
	text := pod(`{"containers":[{"name":"a","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}}],"tolerations":[{"key":"a"}]}`)
	live, wanted := tree(t, text), tree(t, pod(`{"containers":[{"name":"b"}]}`))
	out := Residual(Job, live, wanted)
	list, ok := At(out, "spec", "template", "spec", "tolerations")
	if !ok {
		t.Fatal("the tolerations are missing")
	}
	list.([]any)[0].(map[string]any)["key"] = "changed" //nolint:forcetypeassert // a test fixture
	if diff := cmp.Diff(tree(t, text), live); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tree(t, pod(`{"containers":[{"name":"b"}]}`)), wanted); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}

func TestIsGenerated(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"job-name": true, "batch.kubernetes.io/job-name": true, "controller-uid": true, "pv.kubernetes.io/bind-completed": true,
		"kubectl.kubernetes.io/last-applied-configuration": true, "pod-template-hash": true,
		"kubectl.kubernetes.io/restartedAt": false, "team": false, "my-job-name": false, "job-name-x": false, "batch.kubernetes.io": false,
	} {
		if got := IsGenerated(key); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}

func TestDefaultPullPolicy(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"busybox": "Always", "busybox:latest": "Always", "busybox:1": "IfNotPresent", "r.example:5000/busybox": "Always",
		"r.example:5000/busybox:1": "IfNotPresent", "busybox@sha256:abc": "IfNotPresent", "busybox:latest@sha256:abc": "IfNotPresent", "": "Always",
	} {
		if got := defaultPullPolicy(image); got != want {
			t.Errorf("%q: %s", image, got)
		}
	}
}
