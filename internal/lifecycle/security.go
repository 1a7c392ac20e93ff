package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"

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

// security warns of pods that the namespace will refuse, whichever of the objects make
// them. A controller gets no pod then and goes on trying, and only its events say why. A
// namespace that cannot be read, or is not there yet, says nothing against a plan.
func (p *planner[M, P]) security() {
	if p.r.provider.Unknown != "" || p.diagnostics.HasError() {
		return
	}
	all, name := podsOfPlan(p.want)
	if len(all) == 0 {
		return
	}
	client, err := p.r.provider.Connect()
	if err != nil {
		return // said when something is read or written
	}
	ctx, cancel := context.WithTimeout(p.ctx, askMost)
	defer cancel()
	namespace, err := client.Get(ctx, kube.Ref{Kind: kube.Namespace, Name: name})
	if err != nil || namespace == nil {
		tflog.Info(p.ctx, "the namespace does not say which pods it takes", map[string]any{"namespace": name, "error": fmt.Sprint(err)})
		return
	}
	level, first, why := refused(namespace.GetLabels(), all)
	if len(why) == 0 {
		return
	}
	p.diagnostics.Append(diags.Message{
		Summary:  clip(fmt.Sprintf("Namespace %q will refuse the pods of this %s", name, strings.ToLower(p.r.def.Noun))),
		Happened: fmt.Sprintf("Its Pod Security level is %q, which allows no:", level),
		Why:      strings.Join(why, "\n"),
		Do: "Use a namespace whose label pod-security.kubernetes.io/enforce allows it (\"privileged\" for devices that lock memory, and for the nodes' network), " +
			"or leave out what is named above.",
		At: blamed[first],
	}.Warning())
}

// podsOfPlan are the pod templates of the planned objects, and the namespace of the pods.
func podsOfPlan(want []rendered) (out []kube.Template, namespace string) {
	for _, w := range want {
		if w.ref.Namespace == "" {
			continue
		}
		for _, t := range kube.Templates(w.ref.Kind, w.obj) {
			if t.Of == "" {
				t.Of = w.ref.Role
			}
			out, namespace = append(out, t), w.ref.Namespace
		}
	}
	return out, namespace
}

// refused lists what a namespace with some labels refuses of pods, its level, and the
// first reason. Where not all pods have it, a line says which do.
func refused(labels map[string]string, all []kube.Template) (level, first string, lines []string) {
	with := map[string][]string{}
	var order []string
	for i := range all {
		at, refusals := kube.Refusals(labels, &all[i].PodTemplateSpec)
		for _, r := range refusals {
			level, first = at, cmp.Or(first, r.Reason)
			line := strings.TrimSuffix(fmt.Sprintf("%s (%s)", r.Reason, r.Detail), " ()")
			if len(with[line]) == 0 {
				order = append(order, line)
			}
			with[line] = append(with[line], cmp.Or(all[i].Of, "main"))
		}
	}
	for _, line := range order {
		of := ""
		if len(with[line]) < len(all) {
			of = strings.Join(with[line], ", ") + ": "
		}
		lines = append(lines, "  "+of+line)
	}
	return level, first, lines
}
