package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/supervisor"
)

// patience is for a machine that does other things too; alone all takes seconds.
const patience = 2 * time.Minute

// program is the built devcluster, with kwok beside it.
type program struct {
	t    *testing.T
	path string
	dir  statedir.Dir
}

// built builds both programs once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "devcluster-test-")
	if err != nil {
		return "", err
	}
	for target, pkg := range map[string]string{"devcluster": ".", "kwok": "sigs.k8s.io/kwok/cmd/kwok"} {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, target), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("DEVCLUSTER_IT") != "" {
		if dir, err := built(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// newProgram gives each test a cluster home of its own, which is empty at the end.
func newProgram(t *testing.T) *program {
	t.Helper()
	if os.Getenv("DEVCLUSTER_IT") == "" {
		t.Skip("set DEVCLUSTER_IT=1 to start real clusters")
	}
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(statedir.HomeVariable, t.TempDir())
	dir, err := statedir.Open("it")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, path: filepath.Join(bin, "devcluster"), dir: dir}
	t.Cleanup(func() { p.down() })
	return p
}

// run executes a command line and returns all it printed.
func (p *program) run(args ...string) (string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.path, append(args, "--name", p.dir.Name)...).CombinedOutput()
	return string(out), err
}

func (p *program) up() string {
	p.t.Helper()
	out, err := p.run("up")
	if err != nil {
		p.t.Fatalf("up: %v\n%s", err, out)
	}
	return out
}

// down ends the cluster and checks that it leaves no process and no file.
func (p *program) down() {
	p.t.Helper()
	s, err := p.dir.Read()
	if err != nil {
		p.t.Error(err)
	}
	if out, err := p.run("down"); err != nil {
		p.t.Errorf("down: %v\n%s", err, out)
	}
	if _, err := os.Stat(p.dir.Path); !errors.Is(err, fs.ErrNotExist) {
		p.t.Errorf("down leaves %s (%v)", p.dir.Path, err)
	}
	if s == nil {
		return
	}
	for _, c := range s.Processes {
		if c.Identity.Alive() {
			p.t.Errorf("down leaves %s, PID %d", c.Component, c.Identity.PID)
		}
	}
}

func (p *program) state() statedir.State {
	p.t.Helper()
	s, err := p.dir.Read()
	if err != nil || s == nil {
		p.t.Fatalf("no state: %v", err)
	}
	return *s
}

func (p *program) client() kubernetes.Interface {
	p.t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", p.dir.Kubeconfig())
	if err != nil {
		p.t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(cfg)
}

// eventually waits until a condition holds.
func (p *program) eventually(what string, holds func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(end) {
			p.t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

func TestClusterWorks(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	p.up()
	if out := p.up(); !strings.Contains(out, "runs already") {
		t.Errorf("a second up says:\n%s", out)
	}
	info, err := os.Stat(p.dir.Kubeconfig())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kubeconfig: %v, %v", info.Mode(), err)
	}
	ctx, client := t.Context(), p.client()
	class := "standard"
	_, err = client.CoreV1().PersistentVolumeClaims("default").Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "train"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"mlk.dev/simulate": `succeed:after=1s,message={"a":"1","b":"2"}`}},
			Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{
					Name: "main", Image: "train:1",
					Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8")}},
				}},
				Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
				}}},
			},
		}},
	}
	if _, err := client.BatchV1().Jobs("default").Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.eventually("the job is complete", func() bool {
		j, err := client.BatchV1().Jobs("default").Get(ctx, "train", metav1.GetOptions{})
		return err == nil && j.Status.Succeeded == 1
	})
	pods, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods: %v", err)
	}
	if got := pods.Items[0].Status.ContainerStatuses[0].State.Terminated.Message; got != `{"a":"1","b":"2"}` {
		t.Errorf("termination message %q", got)
	}
	log, err := client.CoreV1().Pods("default").GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil || !strings.Contains(string(log), "training finished") {
		t.Errorf("log: %v\n%s", err, log)
	}
	p.sparesPods()
}

// sparesPods: KWOK cannot delete a pod that nobody has asked to end.
func (p *program) sparesPods() {
	p.t.Helper()
	ctx, pods := p.t.Context(), p.client().CoreV1().Pods("default")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "bystander"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "train:1"}}}}
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		p.t.Fatal(err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", p.dir.Kubeconfig())
	if err != nil {
		p.t.Fatal(err)
	}
	cfg.Impersonate = rest.ImpersonationConfig{UserName: component.KwokUser, Groups: []string{"system:masters"}}
	kwok, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the pod is spared", func() bool {
		err := kwok.CoreV1().Pods("default").Delete(ctx, "bystander", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "has not been asked to end")
	})
	if err := pods.Delete(ctx, "bystander", metav1.DeleteOptions{}); err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the pod ends", func() bool {
		_, err := pods.Get(ctx, "bystander", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func TestClusterDeathOfAComponent(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	for _, name := range []string{component.Etcd, component.APIServer, component.ControllerManager, component.Scheduler, component.Kwok} {
		p.up()
		s := p.state()
		victim := s.Process(name)
		if err := victim.Identity.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.eventually("the cluster has ended after the death of "+name, func() bool {
			for _, c := range s.Processes {
				if c.Identity.Alive() {
					return false
				}
			}
			return true
		})
		if _, err := p.client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: the API server answers %v, want a refused connection", name, err)
		}
		out, err := p.run("status")
		if err == nil {
			t.Errorf("%s: status exits with 0", name)
		}
		for _, want := range []string{name + " ended", "signal: killed", victim.Log} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: status does not say %q:\n%s", name, want, out)
			}
		}
		if out := p.up(); !strings.Contains(out, name+" ended") {
			t.Errorf("%s: the next up says nothing of it:\n%s", name, out)
		}
	}
}

func TestClusterDeathOfTheSupervisor(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	p.up()
	s := p.state()
	if err := s.Process(supervisor.Name).Identity.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Processes {
		p.eventually(c.Component+" has ended with the supervisor", func() bool { return !c.Identity.Alive() })
	}
	if out, err := p.run("status"); err == nil || !strings.Contains(out, "supervisor") {
		t.Errorf("status: %v\n%s", err, out)
	}
	p.up()
}

func TestClusterUpIsInterrupted(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		cmd := exec.Command(p.path, "up", "--name", p.dir.Name)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := readUntil(out, "waiting for "+component.APIServer); err != nil {
			t.Fatal(err)
		}
		s := p.state()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err == nil {
			t.Errorf("%s: the interrupted up exits with 0", sig)
		}
		if sig == syscall.SIGINT {
			for _, c := range s.Processes {
				if c.Identity.Alive() {
					t.Errorf("%s lives on after %s", c.Component, sig)
				}
			}
		}
		p.up()
		p.down()
	}
}

func TestClusterThatCannotStart(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("featureGates: {NoSuchGate: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := p.run("up", "--config", config)
	if err == nil || !strings.Contains(out, component.APIServer+" ended") || !strings.Contains(out, "NoSuchGate") {
		t.Errorf("up with a wrong gate: %v\n%s", err, out)
	}
}

func TestClustersSideBySide(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	p.up()
	second := &program{t: t, path: p.path, dir: statedir.Dir{Name: "other", Path: filepath.Join(filepath.Dir(p.dir.Path), "other")}}
	second.up()
	if p.state().Server == second.state().Server {
		t.Error("both clusters have one API server")
	}
	second.down()
	if _, err := p.client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the first cluster ended with the second: %v", err)
	}
}

// readUntil reads until some text has come.
func readUntil(r io.Reader, text string) error {
	var seen bytes.Buffer
	one := make([]byte, 1)
	for !strings.Contains(seen.String(), text) {
		if _, err := r.Read(one); err != nil {
			return errors.New("it ended before it said " + text + ": " + seen.String())
		}
		seen.Write(one)
	}
	return nil
}
