// Command bench measures what a no-change plan, an apply and a destroy of many
// training jobs cost as whole processes, beside three floors: the same number of
// small resources of a provider that does nothing, of one that does nothing with
// mlk's own schemas, and client-go doing the same API calls alone. It prints a table and, last, one line a ratio.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	jobs := flag.Int("jobs", 200, "how many training jobs")
	runs := flag.Int("runs", 3, "how often each is measured; the median is printed")
	nodes := flag.Int("nodes", 1000, "how many simulated nodes the start of a big cluster is measured with; 0 leaves it out")
	pool := flag.Int("pool", 0, "measure instead a pool of so many nodes, labelled and tainted in one apply")
	flag.Parse()
	if *pool > 0 {
		if err := benchPool(*pool, *runs); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := bench(*jobs, *runs, *nodes); err != nil {
		log.Fatal(err)
	}
}

// figures are the measures of one run.
type figures struct {
	plan, apply, destroy run
}

func bench(jobs, runs, nodes int) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlk-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if nodes > 0 {
		if err := bigCluster(root, dir, nodes); err != nil {
			return err
		}
	}
	kubeconfig, stop, err := cluster(root, "bench", "")
	if err != nil {
		return err
	}
	defer stop()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	rc, err := mirror(root, dir)
	if err != nil {
		return err
	}
	var ours, floor, same []figures
	var bares [][3]time.Duration
	for i := range runs {
		// A B C, A B C …: drift of the machine's speed hits all alike.
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, runs)
		ns, err := namespace(cfg, i)
		if err != nil {
			return err
		}
		f, err := measure(filepath.Join(dir, fmt.Sprint("noop", i)), rc, kubeconfig, noopConfig(jobs))
		if err != nil {
			return err
		}
		floor = append(floor, f)
		e, err := measure(filepath.Join(dir, fmt.Sprint("echo", i)), rc, kubeconfig, mlkConfig("echo", jobs, ns))
		if err != nil {
			return err
		}
		same = append(same, e)
		o, err := measure(filepath.Join(dir, fmt.Sprint("mlk", i)), rc, kubeconfig, mlkConfig("mlk", jobs, ns))
		if err != nil {
			return err
		}
		ours = append(ours, o)
		create, list, remove, err := bare(context.Background(), cfg, ns, jobs)
		if err != nil {
			return err
		}
		bares = append(bares, [3]time.Duration{create, list, remove})
	}
	report(jobs, runs, ours, floor, same, bares)
	return nil
}

func noopConfig(jobs int) string {
	return fmt.Sprintf(`terraform {
  required_providers { noop = { source = "mlkube/noop" } }
}
resource "noop_thing" "t" {
  count    = %d
  name     = "t-${count.index}"
  image    = "pytorch/pytorch:2.1-cuda12.1"
  command  = ["python", "train.py"]
  env      = { NCCL_DEBUG = "INFO" }
  memory   = "16Gi"
  wait_for = "created"
}
`, jobs)
}

func mlkConfig(source string, jobs int, namespace string) string {
	return fmt.Sprintf(`terraform {
  required_providers { mlk = { source = "mlkube/%s" } }
}
provider "mlk" {}
resource "mlk_training_job" "t" {
  count     = %d
  name      = "t-${count.index}"
  namespace = %q
  image     = "pytorch/pytorch:2.1-cuda12.1"
  command   = ["python", "train.py"]
  env       = { NCCL_DEBUG = "INFO" }
  resources = { limits = { memory = "16Gi" } }
  suspend   = true
  wait_for  = "created"
}
`, source, jobs, namespace)
}

// measure applies, plans and destroys one configuration.
func measure(dir, rc, kubeconfig, config string) (figures, error) {
	var f figures
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return f, err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(config), 0o644); err != nil {
		return f, err
	}
	cli := terraform{dir: dir, rc: rc, kubeconfig: kubeconfig}
	if _, err := cli.run("init", "-input=false"); err != nil {
		return f, err
	}
	var err error
	if f.apply, err = cli.run("apply", "-auto-approve", "-input=false"); err != nil {
		return f, err
	}
	if f.plan, err = cli.run("plan", "-detailed-exitcode", "-input=false"); err != nil {
		return f, err
	}
	f.destroy, err = cli.run("destroy", "-auto-approve", "-input=false")
	return f, err
}

func namespace(cfg *rest.Config, i int) (string, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return "", err
	}
	ns, err := client.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: fmt.Sprintf("bench-%d-", i)}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return ns.Name, nil
}

// mirror puts the providers into a filesystem mirror and writes the CLI
// configuration that names it.
func mirror(root, dir string) (string, error) {
	platform := runtime.GOOS + "_" + runtime.GOARCH
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		for name, pkg := range map[string]string{"mlk": ".", "noop": "./internal/testkit/bench/noop", "echo": "./internal/testkit/bench/echo"} {
			out := filepath.Join(dir, "plugins", host, "mlkube", name, "0.1.0", platform, "terraform-provider-"+name+"_v0.1.0")
			if err := command(root, "go", "build", "-ldflags", "-s -w", "-o", out, pkg); err != nil {
				return "", err
			}
		}
	}
	rc := filepath.Join(dir, "terraform.rc")
	text := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\ndisable_checkpoint = true\n", filepath.Join(dir, "plugins"))
	return rc, os.WriteFile(rc, []byte(text), 0o644)
}

// cluster starts a devcluster, or uses the one of $KUBECONFIG with
// CLUSTER=existing.
func cluster(root, name, config string) (string, func(), error) {
	if os.Getenv("CLUSTER") == "existing" {
		return os.Getenv("KUBECONFIG"), func() {}, nil
	}
	devcluster := filepath.Join(root, "bin", "devcluster")
	args := []string{"up", "--name", name}
	if config != "" {
		args = append(args, "--config", config)
	}
	if err := command(root, devcluster, args...); err != nil {
		return "", nil, err
	}
	out, err := exec.Command(devcluster, "kubeconfig", "--name", name).Output()
	if err != nil {
		return "", nil, err
	}
	stop := func() {
		if err := command(root, devcluster, "down", "--name", name); err != nil {
			log.Print(err)
		}
	}
	return strings.TrimSpace(string(out)), stop, nil
}

// bigCluster starts and ends a cluster with many nodes and says how long it
// took and what memory it holds.
func bigCluster(root, dir string, nodes int) error {
	if os.Getenv("CLUSTER") == "existing" {
		return nil
	}
	config, err := bigConfig(dir, nodes)
	if err != nil {
		return err
	}
	start := time.Now()
	kubeconfig, stop, err := cluster(root, "bench-big", config)
	if err != nil {
		return err
	}
	defer stop()
	took := time.Since(start)
	fmt.Printf("%d nodes Ready in %.1f s, %d MB in all\n\n", nodes, took.Seconds(), memoryUnder(filepath.Dir(kubeconfig))>>20)
	return nil
}

// bigConfig writes the configuration of a cluster with many GPU nodes.
func bigConfig(dir string, nodes int) (string, error) {
	file := filepath.Join(dir, "big.yaml")
	text := fmt.Sprintf("nodePools:\n- name: big\n  count: %d\n  gpu: {product: NVIDIA-H100-80GB-HBM3, count: 8}\n", nodes)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

func command(dir, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func median[T any](in []T, of func(T) float64) float64 {
	values := make([]float64, 0, len(in))
	for _, v := range in {
		values = append(values, of(v))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func report(jobs, runs int, ours, floor, same []figures, bares [][3]time.Duration) {
	plan := func(f figures) float64 { return f.plan.wall.Seconds() }
	apply := func(f figures) float64 { return f.apply.wall.Seconds() }
	destroy := func(f figures) float64 { return f.destroy.wall.Seconds() }
	memory := func(f figures) float64 {
		return float64(max(f.plan.provider, f.apply.provider, f.destroy.provider)) / (1 << 20)
	}
	bareOf := func(i int) float64 {
		return median(bares, func(b [3]time.Duration) float64 { return b[i].Seconds() })
	}
	fmt.Printf("%d training jobs, %d processors, median of %d runs, whole processes\n\n", jobs, runtime.NumCPU(), runs)
	fmt.Println("| | mlk | provider that does nothing, 7 attributes | the same with mlk's attributes | client-go alone |")
	fmt.Println("|---|---:|---:|---:|---:|")
	fmt.Printf("| plan, nothing to do | %.2f s | %.2f s | %.2f s | %.3f s |\n", median(ours, plan), median(floor, plan), median(same, plan), bareOf(1))
	fmt.Printf("| apply | %.2f s | %.2f s | %.2f s | %.2f s |\n", median(ours, apply), median(floor, apply), median(same, apply), bareOf(0))
	fmt.Printf("| destroy | %.2f s | %.2f s | %.2f s | %.2f s |\n", median(ours, destroy), median(floor, destroy), median(same, destroy), bareOf(2))
	fmt.Printf("| memory of the provider | %.0f MB | %.0f MB | %.0f MB | |\n\n", median(ours, memory), median(floor, memory), median(same, memory))
	fmt.Printf("ratio plan %.2f\n", median(ours, plan)/median(floor, plan))
	fmt.Printf("ratio apply %.2f\n", median(ours, apply)/(median(floor, apply)+bareOf(0)))
	fmt.Printf("ratio destroy %.2f\n", median(ours, destroy)/(median(floor, destroy)+bareOf(2)))
	fmt.Printf("ratio memory %.2f\n", median(ours, memory)/median(floor, memory))
}
