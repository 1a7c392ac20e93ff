package volumeclaim_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantities "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_volume_claim.data"

// cluster is the cluster of KUBECONFIG, and the test's own namespace on it.
type cluster struct {
	kubernetes.Interface
	t         *testing.T
	namespace string
}

// run runs the steps in a namespace of their own. Steps without a configuration
// get that of their number under testdata.
func run(t *testing.T, steps func(c *cluster) []resource.TestStep) {
	t.Helper()
	c := &cluster{t: t, namespace: "claim-" + rand.String(8)}
	list := steps(c)
	for i := range list {
		if list[i].ConfigDirectory == nil && !list[i].ImportState {
			list[i].ConfigDirectory = config.TestStepDirectory()
		}
		list[i].ConfigVariables = config.Variables{"namespace": config.StringVariable(c.namespace)}
	}
	resource.Test(t, resource.TestCase{
		PreCheck:                 c.connect,
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		Steps:                    list,
	})
}

// connect makes the namespace; it is not called when acceptance tests are off.
func (c *cluster) connect() {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.Interface, err = kubernetes.NewForConfig(cfg); err != nil {
		c.t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}
	if _, err := c.CoreV1().Namespaces().Create(c.t.Context(), ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.namespace, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			c.t.Error(err)
		}
	})
}

// claim returns the claim; nil when it does not exist.
func (c *cluster) claim(name string) *corev1.PersistentVolumeClaim {
	c.t.Helper()
	pvc, err := c.CoreV1().PersistentVolumeClaims(c.namespace).Get(c.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return pvc
}

// patch changes a claim as somebody else.
func (c *cluster) patch(name, patch string) {
	c.t.Helper()
	_, err := c.CoreV1().PersistentVolumeClaims(c.namespace).
		Patch(c.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		c.t.Fatal(err)
	}
}

// until waits for something only the cluster does.
func (c *cluster) until(what string, done func() bool) {
	c.t.Helper()
	err := wait.PollUntilContextTimeout(c.t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return done(), nil
	})
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

// on checks the claim named data on the cluster.
func (c *cluster) on(check func(*corev1.PersistentVolumeClaim) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		pvc := c.claim("data")
		if pvc == nil {
			return fmt.Errorf("the claim does not exist")
		}
		return check(pvc)
	}
}

func has(want string) func(*corev1.PersistentVolumeClaim) error {
	return func(pvc *corev1.PersistentVolumeClaim) error {
		q := quantities.MustParse(want)
		asked, got := pvc.Spec.Resources.Requests[corev1.ResourceStorage], pvc.Status.Capacity[corev1.ResourceStorage]
		if asked.Cmp(q) != 0 || got.Cmp(q) != 0 {
			return fmt.Errorf("the claim asks for %s and has %s, want %s", asked.String(), got.String(), want)
		}
		return nil
	}
}

func labelled(key, want string) func(*corev1.PersistentVolumeClaim) error {
	return func(pvc *corev1.PersistentVolumeClaim) error {
		if got := pvc.Labels[key]; got != want {
			return fmt.Errorf("label %s is %q, want %q", key, got, want)
		}
		return nil
	}
}

func all(checks ...func(*corev1.PersistentVolumeClaim) error) func(*corev1.PersistentVolumeClaim) error {
	return func(pvc *corev1.PersistentVolumeClaim) error {
		for _, check := range checks {
			if err := check(pvc); err != nil {
				return err
			}
		}
		return nil
	}
}

func action(a plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, a)}}
}

func is(attribute string, v knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), v)
}

func phase(want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact(want))
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	var uid types.UID
	remember := func(pvc *corev1.PersistentVolumeClaim) error { uid = pvc.UID; return nil }
	same := func(pvc *corev1.PersistentVolumeClaim) error {
		if pvc.UID != uid {
			return fmt.Errorf("the claim was made anew")
		}
		return nil
	}
	another := func(pvc *corev1.PersistentVolumeClaim) error {
		if pvc.UID == uid {
			return fmt.Errorf("the claim was not made anew")
		}
		return remember(pvc)
	}
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				Check:            c.on(all(has("1Gi"), remember)),
				ConfigStateChecks: []statecheck.StateCheck{
					is("capacity", knownvalue.StringExact("1Gi")), is("volume_name", knownvalue.StringRegexp(regexp.MustCompile("^pvc-"))), phase("Bound"),
				},
			},
			{ // grows in place
				ConfigPlanChecks:  action(plancheck.ResourceActionUpdate),
				Check:             c.on(all(has("3Gi"), labelled("team", "vision"), same)),
				ConfigStateChecks: []statecheck.StateCheck{is("capacity", knownvalue.StringExact("3Gi")), phase("Bound")},
			},
			{ // the same in other words: what the server fills in, said aloud
				Check:             c.on(all(has("3Gi"), same)),
				ConfigStateChecks: []statecheck.StateCheck{is("volume_name", knownvalue.NotNull())},
			},
			{
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check:            c.on(all(has("3Gi"), labelled("team", ""), another)),
			},
			{ // the order of access modes has no meaning
				ConfigPlanChecks: action(plancheck.ResourceActionNoop),
				Check:            c.on(same),
			},
			{
				ExpectError: regexp.MustCompile(`cannot shrink to 2Gi`),
			},
			{
				ConfigDirectory:   config.StaticDirectory("testdata/TestAccLife/5"),
				ResourceName:      address,
				ImportState:       true,
				ImportStateIdFunc: func(*terraform.State) (string, error) { return c.namespace + "/data", nil },
				ImportStateVerify: true,
				// What only the configuration says, and what the cluster moves on by itself.
				ImportStateVerifyIgnore: []string{"wait_for", "deletion_protection", "status"},
			},
		}
	})
}

func TestAccDrift(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{},
			{ // what nobody declared is nobody's business
				PreConfig: func() {
					c.patch("data", `{"metadata":{"labels":{"team":"vision","seen-by":"somebody"},"annotations":{"note":"hello"}}}`)
				},
				ConfigPlanChecks: action(plancheck.ResourceActionNoop),
				Check:            c.on(labelled("seen-by", "somebody")),
			},
			{ // what the configuration declares comes back
				PreConfig:        func() { c.patch("data", `{"metadata":{"labels":{"team":null}}}`) },
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check:            c.on(all(labelled("team", "vision"), labelled("seen-by", "somebody"))),
			},
			{ // and so does the claim
				PreConfig: func() {
					err := c.CoreV1().PersistentVolumeClaims(c.namespace).Delete(t.Context(), "data", metav1.DeleteOptions{})
					if err != nil {
						t.Fatal(err)
					}
					c.until("the claim goes", func() bool { return c.claim("data") == nil })
				},
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				Check:            c.on(labelled("team", "vision")),
			},
		}
	})
}

// TestAccLarger: size is a minimum.
func TestAccLarger(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{Check: c.on(has("1Gi"))},
			{ // somebody makes it larger: no drift
				PreConfig: func() {
					c.patch("data", `{"spec":{"resources":{"requests":{"storage":"5Gi"}}}}`)
					c.until("the claim grows", func() bool { return has("5Gi")(c.claim("data")) == nil })
				},
				ConfigPlanChecks:  action(plancheck.ResourceActionNoop),
				ConfigStateChecks: []statecheck.StateCheck{is("size", knownvalue.StringExact("1Gi")), is("capacity", knownvalue.StringExact("5Gi"))},
			},
			{ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: c.on(all(has("5Gi"), labelled("team", "vision")))},
			{ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: c.on(has("5Gi"))},
			{ // to go beyond what somebody has set is a conflict like any other
				ExpectError: regexp.MustCompile(`(?s)belongs.*somebody.*force_conflicts`),
			},
		}
	})
}

// TestAccTaintedIsProtected: a replacement that no plan of the resource sees
// does not delete data either.
func TestAccTaintedIsProtected(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{},
			{Taint: []string{address}, ExpectError: regexp.MustCompile(`(?s)is protected from deletion.*terraform untaint`)},
			{
				PreConfig: func() {
					if c.claim("data").DeletionTimestamp != nil {
						t.Error("the claim is being deleted")
					}
					if err := c.CoreV1().PersistentVolumeClaims(c.namespace).Delete(t.Context(), "data", metav1.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
					c.until("the claim goes", func() bool { return c.claim("data") == nil })
				},
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			},
		}
	})
}

func TestAccProtection(t *testing.T) {
	t.Parallel()
	protected := regexp.MustCompile(`is protected from deletion`)
	run(t, func(*cluster) []resource.TestStep {
		return []resource.TestStep{
			{ConfigStateChecks: []statecheck.StateCheck{phase("Pending")}},
			{Destroy: true, ExpectError: protected},
			{ExpectError: protected}, // replacement; switching it off in the same apply is not enough
			{ConfigPlanChecks: action(plancheck.ResourceActionUpdate)},
			{ConfigDirectory: config.StaticDirectory("testdata/TestAccProtection/4"), Destroy: true},
		}
	})
}

func TestAccRetain(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		left := func(pvc *corev1.PersistentVolumeClaim) error {
			for key := range pvc.Annotations {
				if regexp.MustCompile(`^mlk\.dev/`).MatchString(key) {
					return fmt.Errorf("the claim still bears the mark %s", key)
				}
			}
			return all(labelled("mlk.dev/kept", "true"), labelled("mlk.dev/owner", ""))(pvc)
		}
		return []resource.TestStep{
			{Check: c.on(labelled("mlk.dev/kept", ""))},
			{ConfigPlanChecks: action(plancheck.ResourceActionDestroy), Check: c.on(left)},
		}
	})
}

func TestAccFirstConsumer(t *testing.T) { // pain 37
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{ // returns although nothing is bound
				ConfigStateChecks: []statecheck.StateCheck{
					phase("Pending"), is("storage_class", knownvalue.NotNull()), is("volume_name", knownvalue.Null()), is("capacity", knownvalue.Null()),
				},
			},
			{ // the first pod binds it, and no plan minds
				PreConfig: func() {
					pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "first"}, Spec: corev1.PodSpec{
						Containers: []corev1.Container{{Name: "main", Image: "busybox", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
						Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
							PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
						}}},
					}}
					if _, err := c.CoreV1().Pods(c.namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
						t.Fatal(err)
					}
					c.until("the claim is bound", func() bool { return c.claim("data").Status.Phase == corev1.ClaimBound })
				},
				ConfigPlanChecks:  action(plancheck.ResourceActionNoop),
				ConfigStateChecks: []statecheck.StateCheck{phase("Bound"), is("volume_name", knownvalue.NotNull()), is("capacity", knownvalue.StringExact("1Gi"))},
			},
			{ // it grows while it is mounted, and goes when the pod is gone
				Check: resource.ComposeTestCheckFunc(c.on(has("2Gi")), func(*terraform.State) error {
					now := int64(0)
					return c.CoreV1().Pods(c.namespace).Delete(t.Context(), "first", metav1.DeleteOptions{GracePeriodSeconds: &now})
				}),
			},
		}
	})
}

func TestAccFailedWait(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{ExpectError: regexp.MustCompile(`(?s)is not bound after 3s.*nobody.*not found`)},
			{ // the tainted claim holds nothing, so nothing protects it
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check:            c.on(has("1Gi")),
			},
		}
	})
}

func TestAccKeptOnFailure(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{ // the next plan waits again
				ExpectNonEmptyPlan: true,
				Check:              c.on(func(*corev1.PersistentVolumeClaim) error { return nil }),
				ConfigStateChecks:  []statecheck.StateCheck{phase("Pending")},
			},
		}
	})
}

func TestAccGrowthRefused(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{Check: c.on(has("1Gi"))},
			{ExpectError: regexp.MustCompile(`(?s)cannot grow to 2Gi.*size *= "2Gi".*Storage class "\S+-fixed" does not allow`)},
		}
	})
}

func TestAccImport(t *testing.T) {
	t.Parallel()
	const theirs = "mlk_volume_claim.theirs"
	run(t, func(c *cluster) []resource.TestStep {
		create := func() {
			none := ""
			pvc := &corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{"team": "vision", "tier": "hot"}},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
					StorageClassName: &none,
					Selector:         &metav1.LabelSelector{MatchLabels: map[string]string{"nobody": "has"}},
					Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantities.MustParse("1Gi")}},
				},
			}
			_, err := c.CoreV1().PersistentVolumeClaims(c.namespace).Create(t.Context(), pvc, metav1.CreateOptions{FieldManager: "kubectl-create"})
			if err != nil {
				t.Fatal(err)
			}
		}
		return []resource.TestStep{
			{
				PreConfig: create,
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(theirs, tfjsonpath.New("patch"), knownvalue.Null()),
					statecheck.ExpectKnownValue(theirs, tfjsonpath.New("static"), knownvalue.Bool(true)),
				},
			},
			{ // a label changed and one removed really do, although kubectl made both
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(theirs, plancheck.ResourceActionUpdate)}},
				Check: func(*terraform.State) error {
					return all(labelled("team", "language"), labelled("tier", ""))(c.claim("theirs"))
				},
			},
			{
				Check: func(*terraform.State) error {
					if owner := c.claim("theirs").Labels["mlk.dev/owner"]; owner == "" {
						return fmt.Errorf("the claim does not bear our mark after a write")
					}
					return nil
				},
			},
		}
	})
}

func TestAccForeign(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{{
			PreConfig: func() {
				pvc := &corev1.PersistentVolumeClaim{
					ObjectMeta: metav1.ObjectMeta{Name: "theirs"},
					Spec: corev1.PersistentVolumeClaimSpec{
						AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
						Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantities.MustParse("1Gi")}},
					},
				}
				_, err := c.CoreV1().PersistentVolumeClaims(c.namespace).Create(t.Context(), pvc, metav1.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
			},
			ExpectError: regexp.MustCompile(`(?s)already exists and is not managed by mlk.*terraform import`),
		}}
	})
}

func TestAccStatic(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{{
			PreConfig: func() {
				pv := &corev1.PersistentVolume{
					ObjectMeta: metav1.ObjectMeta{Name: c.namespace},
					Spec: corev1.PersistentVolumeSpec{
						AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
						Capacity:                      corev1.ResourceList{corev1.ResourceStorage: quantities.MustParse("5Gi")},
						PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
						PersistentVolumeSource:        corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs.example.com", Path: "/data"}},
					},
				}
				if _, err := c.CoreV1().PersistentVolumes().Create(t.Context(), pv, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := c.CoreV1().PersistentVolumes().Delete(context.Background(), c.namespace, metav1.DeleteOptions{}); err != nil {
						t.Error(err)
					}
				})
			},
			ConfigStateChecks: []statecheck.StateCheck{
				phase("Bound"), is("capacity", knownvalue.StringExact("5Gi")), is("storage_class", knownvalue.Null()), is("size", knownvalue.StringExact("1Gi")),
			},
		}}
	})
}
