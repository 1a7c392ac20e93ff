package trainingjob_test

import (
	"testing"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A quota that refuses the pods makes no condition on the Job: what nobody
// would see is told within seconds, in the quota's numbers.
func TestAccQuota(t *testing.T) { // pain 14
	t.Parallel()
	s := newSite(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "team"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.nvidia.com/gpu": apiresource.MustParse("1")}},
	}
	if _, err := s.Kube.CoreV1().ResourceQuotas(s.Namespace).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.run(resource.TestStep{
		ConfigDirectory: tfconfig.TestNameDirectory(),
		ExpectError: words("failed: one pod asks for more than quota team allows in all", "(gpu.count)", "cannot make its pods",
			"Each pod asks for 2 of nvidia.com/gpu; the quota allows 1", "exceeded quota: team", "run `terraform untaint", "Lower gpu.count"),
	})
	if pods := s.pods(); len(pods) != 0 {
		t.Errorf("%d pods in spite of the quota", len(pods))
	}
}
