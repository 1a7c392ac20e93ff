package lifecycle

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// blamed are the attributes behind the reasons of Pod Security admission.
var blamed = map[string]path.Path{
	"host namespaces":                   path.Root("host_network"),
	"host ports":                        path.Root("ports"),
	"hostPath volumes":                  path.Root("volumes"),
	"hostPort":                          path.Root("ports"),
	"non-default capabilities":          path.Root("security_context").AtName("capabilities"),
	"unrestricted capabilities":         path.Root("security_context").AtName("capabilities"),
	"privileged":                        path.Root("security_context").AtName("privileged"),
	"allowPrivilegeEscalation != false": path.Root("security_context").AtName("allow_privilege_escalation"),
	"forbidden sysctls":                 path.Root("pod_security_context").AtName("sysctls"),
}

// security warns of pods that the namespace will refuse. A controller gets no
// pod then and goes on trying, and only its events say why. A namespace that
// cannot be read, or is not there yet, says nothing against a plan.
func (p *planner[M, P]) security() {
	at := p.r.def.PodTemplate
	if len(at) == 0 || len(p.want) == 0 || p.r.provider.Unknown != "" || p.diagnostics.HasError() {
		return
	}
	main := p.want[0]
	template, ok := templateOf(main.obj, at[1:])
	if !ok || main.ref.Kind.Kind != at[0] || main.ref.Namespace == "" {
		return
	}
	client, err := p.r.provider.Connect()
	if err != nil {
		return // said when something is read or written
	}
	ctx, cancel := context.WithTimeout(p.ctx, askMost)
	defer cancel()
	namespace, err := client.Get(ctx, kube.Ref{Kind: kube.Namespace, Name: main.ref.Namespace})
	if err != nil || namespace == nil {
		tflog.Info(p.ctx, "the namespace does not say which pods it takes", map[string]any{"namespace": main.ref.Namespace, "error": fmt.Sprint(err)})
		return
	}
	level, refusals := kube.Refusals(namespace.GetLabels(), template)
	if len(refusals) == 0 {
		return
	}
	msg := diags.Message{
		Summary:  clip(fmt.Sprintf("Namespace %q will refuse the pods of this %s", main.ref.Namespace, strings.ToLower(p.r.def.Noun))),
		Happened: fmt.Sprintf("Its Pod Security level is %q, which allows no:", level),
		Do: "Use a namespace whose label pod-security.kubernetes.io/enforce allows it (\"privileged\" for devices that lock memory, and for the nodes' network), " +
			"or leave out what is named above.",
		At: blamed[refusals[0].Reason],
	}
	var why []string
	for _, r := range refusals {
		why = append(why, strings.TrimSuffix(fmt.Sprintf("  %s (%s)", r.Reason, r.Detail), " ()"))
	}
	msg.Why = strings.Join(why, "\n")
	p.diagnostics.Append(msg.Warning())
}

// templateOf is the pod template of an object; the object itself when it is a pod.
func templateOf(o *kube.Object, at []string) (*corev1.PodTemplateSpec, bool) {
	v, ok := kube.At(o.Object, at...)
	if len(at) == 0 {
		v, ok = o.Object, true
	}
	fields, isMap := v.(map[string]any)
	if !ok || !isMap {
		return nil, false
	}
	out := &corev1.PodTemplateSpec{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"metadata": fields["metadata"], "spec": fields["spec"]}, out)
	return out, err == nil
}
