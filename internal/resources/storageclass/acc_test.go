package storageclass_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const (
	address           = "mlk_storage_class.fast"
	defaultAnnotation = "storageclass.kubernetes.io/is-default-class"
)

// cluster is the cluster of KUBECONFIG. Classes are cluster-wide, so name is
// what keeps tests apart.
type cluster struct {
	kubernetes.Interface
	t    *testing.T
	name string
}

// run runs the steps with a class name of their own. Steps without a
// configuration get that of their number under testdata.
func run(t *testing.T, steps func(c *cluster) []resource.TestStep) {
	t.Helper()
	c := &cluster{t: t, name: "class-" + rand.String(8)}
	list := steps(c)
	for i := range list {
		if list[i].ConfigDirectory == nil {
			list[i].ConfigDirectory = config.TestStepDirectory()
		}
		list[i].ConfigVariables = config.Variables{"namespace": config.StringVariable(c.name)}
	}
	resource.Test(t, resource.TestCase{
		PreCheck:                 c.connect,
		ProtoV6ProviderFactories: testkit.Providers(provider.New("test")),
		CheckDestroy: func(*terraform.State) error {
			if c.class() != nil {
				return fmt.Errorf("the class is still there")
			}
			return nil
		},
		Steps: list,
	})
}

// connect is not called when acceptance tests are off.
func (c *cluster) connect() {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.Interface, err = kubernetes.NewForConfig(cfg); err != nil {
		c.t.Fatal(err)
	}
}

// class returns the class; nil when it does not exist.
func (c *cluster) class() *storagev1.StorageClass {
	c.t.Helper()
	sc, err := c.StorageV1().StorageClasses().Get(context.Background(), c.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return sc
}

// create makes the class as somebody else.
func (c *cluster) create(change func(*storagev1.StorageClass)) {
	c.t.Helper()
	sc := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: c.name}, Provisioner: "example.com/disks"}
	change(sc)
	if _, err := c.StorageV1().StorageClasses().Create(c.t.Context(), sc, metav1.CreateOptions{FieldManager: "kubectl-create"}); err != nil {
		c.t.Fatal(err)
	}
}

// patch changes the class as somebody else.
func (c *cluster) patch(patch string) {
	c.t.Helper()
	_, err := c.StorageV1().StorageClasses().Patch(c.t.Context(), c.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		c.t.Fatal(err)
	}
}

// remove deletes the class as somebody else.
func (c *cluster) remove() {
	c.t.Helper()
	if err := c.StorageV1().StorageClasses().Delete(context.Background(), c.name, metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// on checks the class on the cluster.
func (c *cluster) on(check func(*storagev1.StorageClass) error) resource.TestCheckFunc {
	return func(*terraform.State) error {
		sc := c.class()
		if sc == nil {
			return fmt.Errorf("the class does not exist")
		}
		return check(sc)
	}
}

func action(a plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, a)}}
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	var uid types.UID
	remember := func(sc *storagev1.StorageClass) error { uid = sc.UID; return nil }
	anew := func(want bool) func(*storagev1.StorageClass) error {
		return func(sc *storagev1.StorageClass) error {
			if got := sc.UID != uid; got != want {
				return fmt.Errorf("the class was made anew: %v, want %v", got, want)
			}
			return remember(sc)
		}
	}
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				Check:            c.on(remember),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(address, tfjsonpath.New("status").AtMapKey("phase"), knownvalue.StringExact("Active")),
				},
			},
			{
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: resource.ComposeTestCheckFunc(c.on(anew(false)), c.on(func(sc *storagev1.StorageClass) error {
					if !*sc.AllowVolumeExpansion || sc.Labels["team"] != "vision" || sc.Annotations[defaultAnnotation] != "false" {
						return fmt.Errorf("not as configured: %+v", sc)
					}
					if diff := cmp.Diff([]string{"noatime", "discard"}, sc.MountOptions); diff != "" {
						return fmt.Errorf("mount options: %s", diff)
					}
					want := []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{
						{Key: "topology.kubernetes.io/zone", Values: []string{"b", "a"}},
					}}}
					if diff := cmp.Diff(want, sc.AllowedTopologies); diff != "" {
						return fmt.Errorf("topologies: %s", diff)
					}
					return nil
				})),
			},
			{ // what is no longer asked for goes; what the server fills in, said aloud, is no new class
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: resource.ComposeTestCheckFunc(c.on(anew(false)), c.on(func(sc *storagev1.StorageClass) error {
					_, annotated := sc.Annotations[defaultAnnotation]
					if sc.AllowVolumeExpansion != nil || len(sc.MountOptions)+len(sc.AllowedTopologies) > 0 || annotated || sc.Labels["team"] != "" {
						return fmt.Errorf("left over: %+v", sc)
					}
					return nil
				})),
			},
			{
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check:            c.on(anew(true)),
			},
			{
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check: resource.ComposeTestCheckFunc(c.on(anew(true)), c.on(func(sc *storagev1.StorageClass) error {
					if *sc.ReclaimPolicy != corev1.PersistentVolumeReclaimRetain || *sc.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
						return fmt.Errorf("not as configured: %+v", sc)
					}
					return nil
				})),
			},
			{
				ConfigDirectory: config.StaticDirectory("testdata/TestAccLife/5"),
				ResourceName:    address, ImportState: true, ImportStateId: c.name, ImportStateVerify: true,
			},
		}
	})
}

func TestAccDrift(t *testing.T) {
	t.Parallel()
	grows := func(sc *storagev1.StorageClass) error {
		if sc.AllowVolumeExpansion == nil || !*sc.AllowVolumeExpansion || sc.Annotations[defaultAnnotation] != "false" {
			return fmt.Errorf("not as configured: %+v", sc)
		}
		return nil
	}
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{Check: c.on(grows)},
			{ // what nobody declared is nobody's business
				PreConfig:        func() { c.patch(`{"metadata":{"labels":{"seen-by":"somebody"}},"mountOptions":["noatime"]}`) },
				ConfigPlanChecks: action(plancheck.ResourceActionNoop),
				Check: c.on(func(sc *storagev1.StorageClass) error {
					if !slices.Equal(sc.MountOptions, []string{"noatime"}) {
						return fmt.Errorf("what somebody else set was taken away: %v", sc.MountOptions)
					}
					return nil
				}),
			},
			{ // what the configuration declares belongs to it: somebody else's value is not overwritten unasked
				PreConfig:   func() { c.patch(`{"allowVolumeExpansion":false}`) },
				ExpectError: regexp.MustCompile(`"allowVolumeExpansion" of StorageClass \S+ belongs to "somebody"`),
			},
			{ // when the other lets go, it comes back
				PreConfig:        func() { c.patch(`{"allowVolumeExpansion":null}`) },
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check:            c.on(grows),
			},
			{ // and so does the class
				PreConfig:        c.remove,
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				Check:            c.on(grows),
			},
		}
	})
}

func TestAccImport(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{
			{
				PreConfig: func() {
					c.create(func(sc *storagev1.StorageClass) {
						retain := corev1.PersistentVolumeReclaimRetain
						sc.Annotations = map[string]string{defaultAnnotation: "false"}
						sc.Parameters, sc.MountOptions, sc.ReclaimPolicy = map[string]string{"type": "ssd"}, []string{"noatime"}, &retain
					})
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(address, tfjsonpath.New("patch"), knownvalue.Null()),
					statecheck.ExpectKnownValue(address, tfjsonpath.New("default"), knownvalue.Bool(false)),
				},
			},
			{ // fields that kubectl made really change, and really go
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: c.on(func(sc *storagev1.StorageClass) error {
					_, annotated := sc.Annotations[defaultAnnotation]
					if len(sc.MountOptions) > 0 || annotated || sc.AllowVolumeExpansion == nil || sc.Labels["mlk.dev/owner"] == "" {
						return fmt.Errorf("not as configured: %+v", sc)
					}
					return nil
				}),
			},
		}
	})
}

func TestAccForeign(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{{
			PreConfig: func() {
				c.create(func(*storagev1.StorageClass) {})
				t.Cleanup(c.remove)
			},
			ExpectError: regexp.MustCompile(`(?s)already exists and is not managed by mlk.*terraform import`),
		}}
	})
}

func TestAccContradiction(t *testing.T) {
	t.Parallel()
	run(t, func(c *cluster) []resource.TestStep {
		return []resource.TestStep{{ExpectError: regexp.MustCompile(`ebs.csi.aws.com makes no volume with this iopsPerGB`)}}
	})
}
