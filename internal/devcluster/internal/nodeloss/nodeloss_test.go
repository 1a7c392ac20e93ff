package nodeloss

import (
	"context"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

func node(state string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{Annotation: state}}}
}

func TestLeaseIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	old := metav1.NewMicroTime(time.Unix(1_800_000_000, 0))
	client := fake.NewClientset(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "n", Namespace: "kube-node-lease"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("kwok"), RenewTime: &old},
	})
	k := &keeper{client: client, lost: map[string]bool{}}
	k.noticed(ctx, node(""))
	k.noticed(ctx, node("not-ready"))
	lease, err := client.CoordinationV1().Leases("kube-node-lease").Get(ctx, "n", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "kwok" {
		t.Fatalf("the lease of a node that is there is %+v, %v", lease, err)
	}
	k.noticed(ctx, node(Lost))
	lease, err = client.CoordinationV1().Leases("kube-node-lease").Get(ctx, "n", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != holder || lease.Spec.RenewTime.Equal(&old) {
		t.Errorf("the lease of a lost node is %+v, %v", lease, err)
	}
	k.noticed(ctx, node(""))
	if _, err := client.CoordinationV1().Leases("kube-node-lease").Get(ctx, "n", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the lease of a node found again is not given back: %v", err)
	}
}
