package diagnose

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

// TestSecretsStayOutOfExplanations: what a container gets from a secret
// shows neither in its last words, nor in its log, nor in events.
func TestSecretsStayOutOfExplanations(t *testing.T) { // pain 40
	t.Parallel()
	const secret = "hf_2b7e151628aed2a6"
	failing := func() *corev1.Pod {
		p := aPod("a", labelled, ends(1))
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "HF_TOKEN", ValueFrom: &corev1.EnvVarSource{
			SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "hf"}, Key: "token"},
		}}}
		p.Spec.Containers[0].TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
		p.Status.ContainerStatuses[0].State.Terminated.Message = "401 for " + secret
		return &p
	}
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "hf", errors.New(`User "ana" cannot get resource "secrets"`))
	for name, tt := range map[string]struct {
		forbidden, gone, off bool
		// says is in the finding, unsaid is not.
		says, unsaid string
	}{
		"masked":    {says: "401 for [masked]", unsaid: secret},
		"forbidden": {forbidden: true, says: "takes environment from secret hf, which could not be read", unsaid: "401"},
		"gone":      {gone: true, says: "401 for " + secret}, // nobody can tell any more
		"off":       {off: true, says: "log_tails is false", unsaid: "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := failing()
			event := podEvent("a", "Failed", "exec "+secret, 1, 0)
			event.Namespace, event.Name = "ml", "e"
			objs := []runtime.Object{p, &event}
			if !tt.gone {
				objs = append(objs, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: "hf"}, Data: map[string][]byte{"token": []byte(secret + "\n")}})
			}
			c := fake.NewClientset(objs...)
			if tt.forbidden {
				c.PrependReactor("get", "secrets", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, refused })
			}
			e := collect(t, c, func(g *Target) { g.NoLogs = tt.off })
			found := Explain(e)
			if len(found) != 1 {
				t.Fatalf("got %+v", found)
			}
			text := found[0].Happened + found[0].Why + found[0].Do + found[0].Log
			if !strings.Contains(text, tt.says) || tt.unsaid != "" && strings.Contains(text, tt.unsaid) {
				t.Errorf("want %q and not %q in %q", tt.says, tt.unsaid, text)
			}
			if name == "masked" && strings.Contains(e.Events[0].Message, secret) {
				t.Errorf("event: %q", e.Events[0].Message)
			}
			if p.Status.ContainerStatuses[0].State.Terminated.Message != "401 for "+secret {
				t.Error("the caller's pod was changed")
			}
		})
	}
}
