package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// patience bounds what a test waits for; far more than anything takes.
const patience = 30 * time.Second

// read reads an object that must be there.
func read(t *testing.T, c *Client, name string) *Object {
	t.Helper()
	o, err := c.Read(t.Context(), ref(name))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// fed reads so often that a feed answers, and waits until it does.
func fed(t *testing.T, c *Client, names ...string) {
	t.Helper()
	for i := 0; i <= readsBeforeFeed; i++ {
		read(t, c, names[i%len(names)])
	}
}

// eventually looks each time something was seen, until it is as wanted.
func eventually(t *testing.T, woken <-chan struct{}, look func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !look() {
		select {
		case <-woken:
		case <-deadline.C:
			t.Fatal("it was never seen")
		}
	}
}

// count counts the requests that match.
func count(api *fakeapi.Server, match func(fakeapi.Request) bool) int {
	n := 0
	for _, r := range api.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

func gets(r fakeapi.Request) bool {
	return r.Method == http.MethodGet && !r.Watch && strings.Contains(r.Path, "/jobs/")
}

func watches(r fakeapi.Request) bool { return r.Watch && strings.HasSuffix(r.Path, "/jobs") }

func forbidden(what string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: `jobs.batch is forbidden: User "ci" cannot ` + what + ` resource "jobs"`}}
}

func TestManyReadsAreOneWatch(t *testing.T) { // pain 39
	t.Parallel()
	api, c := dial(t)
	const many = 50
	for i := range many {
		api.Put(job(t, fmt.Sprint("j", i), simple))
	}
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			for range 4 {
				if o, err := c.Read(t.Context(), ref(fmt.Sprint("j", i))); err != nil || o == nil {
					t.Errorf("j%d: %v %v", i, o, err)
				}
			}
		})
	}
	all.Wait()
	if n := count(api, gets); n > many {
		t.Errorf("%d reads were %d GETs", 4*many, n)
	}
	if n := count(api, watches); n != 1 {
		t.Errorf("there were %d watches", n)
	}
}

func TestFewReadsNeedNoWatch(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	api.Put(job(t, "one", simple))
	for range readsBeforeFeed {
		read(t, c, "one")
	}
	if n := count(api, watches); n != 0 {
		t.Errorf("there were %d watches", n)
	}
}

func TestOwnWritesAreSeen(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(c *Client, o *Object) error{
		"apply": func(c *Client, o *Object) error {
			_, _, err := c.Apply(t.Context(), Job, o, ApplyOptions{})
			return err
		},
		"merge": func(c *Client, _ *Object) error {
			_, err := c.Merge(t.Context(), ref("one"), map[string]any{"spec": map[string]any{"backoffLimit": 9}}, Manager)
			return err
		},
		"patch": func(c *Client, _ *Object) error {
			_, err := c.PatchJSON(t.Context(), ref("one"), []byte(`[{"op":"add","path":"/spec/backoffLimit","value":9}]`))
			return err
		},
		"delete": func(c *Client, _ *Object) error {
			live, err := c.Get(t.Context(), ref("one"))
			if err != nil {
				return err
			}
			_, err = c.Delete(t.Context(), ref("one"), live.GetUID())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, c := dial(t)
			api.Put(job(t, "one", simple))
			fed(t, c, "one")
			if err := write(c, job(t, "one", `{"backoffLimit":9,`+simple[1:])); err != nil {
				t.Fatal(err)
			}
			got := read(t, c, "one")
			if name == "delete" {
				if got != nil {
					t.Error("a deleted object is still read")
				}
				return
			}
			if n, _ := At(got.Object, "spec", "backoffLimit"); n != int64(9) {
				t.Errorf("backoffLimit is %v", n)
			}
		})
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	live, created, err := c.Apply(t.Context(), Job, job(t, "one", simple), ApplyOptions{DryRun: true})
	if err != nil || live == nil || !created {
		t.Fatalf("%v %v %v", live, created, err)
	}
	if api.Get("Job", "default", "one") != nil {
		t.Error("a dry run made the object")
	}
}

func TestMissGoesToTheServer(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	api.Put(job(t, "one", simple))
	fed(t, c, "one")
	before := count(api, gets)
	if o := read(t, c, "two"); o != nil {
		t.Error("what does not exist was read")
	}
	if got := count(api, gets); got != before+1 {
		t.Errorf("the miss took %d GETs", got-before)
	}
}

func TestForbiddenToListFallsBack(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"list", "watch"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			api, c := dial(t)
			api.Before = func(r fakeapi.Request) error {
				if strings.HasSuffix(r.Path, "/jobs") && (verb == "list" || r.Watch) {
					return forbidden(verb)
				}
				return nil
			}
			api.Put(job(t, "one", simple))
			begun := time.Now()
			for range 3 * readsBeforeFeed {
				if read(t, c, "one") == nil {
					t.Fatal("the object was not read")
				}
			}
			if took := time.Since(begun); took > feedSync {
				t.Errorf("each read waited for the feed: %s in all", took)
			}
		})
	}
}

func TestReadsFollowTheWatch(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	api.Put(job(t, "one", simple))
	fed(t, c, "one")
	woken := make(chan struct{}, 1)
	w := c.Watch(Job, "default", woken)
	defer w.Stop()
	api.Change("Job", "default", "one", "kubectl-edit", func(o map[string]any) {
		o["spec"].(map[string]any)["backoffLimit"] = int64(2) //nolint:forcetypeassert // a test fixture
	})
	eventually(t, woken, func() bool {
		n, _ := At(read(t, c, "one").Object, "spec", "backoffLimit")
		return n == int64(2)
	})
}

func TestBrokenWatchRecovers(t *testing.T) { // pain 18
	t.Parallel()
	api := fakeapi.New(t)
	var broken atomic.Bool
	api.Before = func(r fakeapi.Request) error {
		if broken.Load() && strings.HasSuffix(r.Path, "/jobs") {
			return apierrors.NewServiceUnavailable("the server is restarting")
		}
		return nil
	}
	c := clientOf(t, api)
	api.Put(job(t, "one", simple))
	woken := make(chan struct{}, 1)
	w := c.Watch(Job, "default", woken)
	defer w.Stop()
	eventually(t, woken, func() bool { return w.Get("default", "one") != nil })

	broken.Store(true)
	api.Disconnect()
	eventually(t, woken, func() bool { return !w.Healthy() })
	for range 2 * readsBeforeFeed {
		if read(t, c, "one") == nil {
			t.Fatal("a read trusted a broken watch")
		}
	}
	api.Put(job(t, "two", simple))

	broken.Store(false)
	eventually(t, woken, func() bool { return w.Healthy() && w.Get("default", "two") != nil })
}

func TestDeparted(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	uid := api.Put(job(t, "one", simple)).GetUID()
	woken := make(chan struct{}, 1)
	w := c.Watch(Job, "default", woken)
	eventually(t, woken, func() bool { return w.Get("default", "one") != nil })
	if w.Departed("default", "one") != nil {
		t.Error("it is still there")
	}
	api.Change("Job", "default", "one", "kube-controller-manager", func(o map[string]any) {
		o["status"] = map[string]any{"succeeded": int64(1)}
	})
	api.Remove("Job", "default", "one")
	eventually(t, woken, func() bool { return w.Departed("default", "one") != nil })
	last := w.Departed("default", "one")
	if n, _ := At(last.Object, "status", "succeeded"); last.GetUID() != uid || n != int64(1) {
		t.Errorf("the last word is %v", last.Object)
	}
	w.Stop()
	w.Stop() // twice is once
}

func TestMatching(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	for _, n := range []string{"a", "b"} {
		o := job(t, n, simple)
		o.SetLabels(map[string]string{"which": n})
		api.Put(o)
	}
	for range readsBeforeFeed + 2 {
		for selector, want := range map[string]int{"": 2, "which=a": 1, "which=c": 0, "which in (a,b)": 2} {
			got, err := c.ReadMatching(t.Context(), Job, "default", selector)
			if err != nil || len(got) != want {
				t.Errorf("%q: %d objects, %v", selector, len(got), err)
			}
		}
	}
	if _, err := c.ReadMatching(t.Context(), Job, "default", "which in ("); err == nil {
		t.Error("a wrong selector was taken")
	}
}

func TestWaitsShareOneWatch(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			woken := make(chan struct{}, 1)
			w := c.Watch(Job, "default", woken)
			defer w.Stop()
			name := fmt.Sprint("j", i)
			api.Put(job(t, name, simple))
			eventually(t, woken, func() bool { return w.Get("default", name) != nil })
		})
	}
	all.Wait()
	if n := count(api, watches); n != 1 {
		t.Errorf("there were %d watches", n)
	}
}

func TestGetTellsGoneFromWrong(t *testing.T) { // pain 27
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		gone bool
	}{
		"gone":        {nil, true},
		"no such API": {&apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}}, false},
		"forbidden":   {forbidden("get"), false},
		"broken":      {apierrors.NewInternalError(errors.New("etcd")), false},
		"away":        {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, c := dial(t)
			if tc.err != nil {
				api.Before = func(fakeapi.Request) error { return tc.err }
			}
			if tc.err == nil && !tc.gone {
				api.Stop()
			}
			o, err := c.Get(t.Context(), ref("one"))
			if o != nil || (err == nil) != tc.gone {
				t.Errorf("%v %v", o, err)
			}
			if err != nil && !strings.Contains(err.Error(), "read Job default/one") {
				t.Errorf("%v does not say what was tried", err)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	uid := api.Put(job(t, "one", simple)).GetUID()
	if _, err := c.Delete(t.Context(), ref("one"), "another"); !apierrors.IsConflict(err) {
		t.Errorf("another object's uid: %v", err)
	}
	if existed, err := c.Delete(t.Context(), ref("one"), uid); !existed || err != nil {
		t.Errorf("%v %v", existed, err)
	}
	if existed, err := c.Delete(t.Context(), ref("one"), uid); existed || err != nil {
		t.Errorf("again: %v %v", existed, err)
	}
}

func TestClusterUID(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	want := string(api.Get("Namespace", "", "kube-system").GetUID())
	for range 3 {
		if got, err := c.ClusterUID(t.Context()); got != want || err != nil {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
	if n := count(api, func(r fakeapi.Request) bool { return strings.HasSuffix(r.Path, "kube-system") }); n != 1 {
		t.Errorf("asked %d times", n)
	}
	tenant := clientOf(t, api)
	api.Before = func(fakeapi.Request) error { return forbidden("get") }
	if got, err := tenant.ClusterUID(t.Context()); got != "" || err != nil {
		t.Errorf("a tenant got %q, %v", got, err)
	}
	if there, err := tenant.NamespaceExists(t.Context(), "ml"); !there || err != nil {
		t.Errorf("a tenant's namespace: %v, %v", there, err)
	}
}

func TestNamespaceExists(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	going := &Object{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "going", "finalizers": []any{"x"}}}}
	api.Put(going)
	api.Remove("Namespace", "", "going")
	for name, want := range map[string]bool{"default": true, "nowhere": false, "going": false} {
		if got, err := c.NamespaceExists(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	_, c := dial(t)
	done := make(chan struct{})
	var ran atomic.Bool
	c.Later(func(context.Context) error {
		<-done
		ran.Store(true)
		return errors.New("a failure is harmless")
	})
	close(done)
	c.Close()
	if !ran.Load() {
		t.Error("Close did not wait")
	}
	Finish()
}

func TestRecordMakesNothingAnew(t *testing.T) {
	t.Parallel()
	api, c := dial(t)
	if _, err := c.Record(t.Context(), ref("one"), "mlk.dev/recorded"); err == nil {
		t.Error("a mark on nothing was taken")
	}
	if api.Get("Job", "default", "one") != nil {
		t.Error("the mark made an object")
	}
	mustApply(t, c, job(t, "one", simple), ApplyOptions{})
	if _, err := c.Record(t.Context(), ref("one"), "mlk.dev/recorded"); err != nil {
		t.Fatal(err)
	}
	mustApply(t, c, job(t, "one", simple), ApplyOptions{})
	if api.Get("Job", "default", "one").GetAnnotations()["mlk.dev/recorded"] != "true" {
		t.Error("the next apply took the mark away")
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"1", "2", true}, {"2", "1", false}, {"2", "2", false}, {"9", "10", true}, {"99999999999999999999", "100000000000000000000", true}, {"", "1", false}, {"x", "1", false}, {"1", "", false}} {
		if got := Older(tc.a, tc.b); got != tc.want {
			t.Errorf("%s older than %s: %v", tc.a, tc.b, got)
		}
	}
}
