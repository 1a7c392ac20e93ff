package kind_test

import (
	"path/filepath"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Who may not read logs is told what is known without them, and what is missing.
func TestAccKindWithoutLogs(t *testing.T) { // pain 12
	t.Parallel()
	s := newScene(t, "")
	s.Env = append(s.Env, "KUBECONFIG="+s.asTeam(
		rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"*"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"get", "list", "watch"}},
	))
	out := s.Apply()
	explains(t, out, "failed: container main exited with code 42", "ended with exit code 42", "The log could not be read: it is forbidden", "pods/log", "run `terraform untaint", "for somebody who may read it: kubectl logs")
	if out.Says("Traceback") {
		t.Errorf("it knows the log: %s", out)
	}
}

// asTeam writes a kubeconfig of a service account that has these rights in the
// test's namespace, and may tell which cluster it is.
func (s *scene) asTeam(rules ...rbacv1.PolicyRule) string {
	s.t.Helper()
	ctx, core, rbac := s.t.Context(), s.Kube.CoreV1(), s.Kube.RbacV1()
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	named := metav1.ObjectMeta{Name: "team"}
	_, err := core.ServiceAccounts(s.Namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: named}, metav1.CreateOptions{})
	must(err)
	_, err = rbac.Roles(s.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: named, Rules: rules}, metav1.CreateOptions{})
	must(err)
	subject := rbacv1.Subject{Kind: "ServiceAccount", Name: "team", Namespace: s.Namespace}
	_, err = rbac.RoleBindings(s.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: named, Subjects: []rbacv1.Subject{subject}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "team"},
	}, metav1.CreateOptions{})
	must(err)
	// The cluster is known by the uid of kube-system.
	wide := metav1.ObjectMeta{Name: s.Namespace}
	_, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: wide, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
	}}, metav1.CreateOptions{})
	must(err)
	s.t.Cleanup(func() {
		if err := rbac.ClusterRoles().Delete(cleanup(s.t), s.Namespace, metav1.DeleteOptions{}); err != nil {
			s.t.Error(err)
		}
		if err := rbac.ClusterRoleBindings().Delete(cleanup(s.t), s.Namespace, metav1.DeleteOptions{}); err != nil {
			s.t.Error(err)
		}
	})
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: wide, Subjects: []rbacv1.Subject{subject}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: s.Namespace},
	}, metav1.CreateOptions{})
	must(err)
	token, err := core.ServiceAccounts(s.Namespace).CreateToken(ctx, "team", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(err)

	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"kind": {Server: s.Config.Host, CertificateAuthorityData: s.Config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"team": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"team": {Cluster: "kind", AuthInfo: "team", Namespace: s.Namespace}},
		CurrentContext: "team",
	}, path))
	return path
}
