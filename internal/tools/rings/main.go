// Command rings runs the repository's checks and tests, in the order given, and
// ends with one line that counts them all.
//
// With -budget, a ring that would not fit into what is left of the time is
// skipped, said and counted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

// result is what became of a ring.
type result struct {
	passed, failed, skipped int
}

func (r *result) add(o result) {
	r.passed += o.passed
	r.failed += o.failed
	r.skipped += o.skipped
}

// site is where the rings run.
type site struct {
	root string
	// cluster is "devcluster", or "existing" for the one $KUBECONFIG names.
	cluster string
	// testArgs go to "go test" of the acceptance ring, or of the kind ring.
	testArgs []string
	// keep leaves the kind cluster for the next run.
	keep bool
}

func main() {
	var s site
	budget := flag.Duration("budget", 0, "time for all rings together; 0 sets no bound")
	testArgs := flag.String("testargs", "", "arguments for go test in the acceptance or kind ring")
	flag.BoolVar(&s.keep, "keep", false, "leave the kind cluster for the next run")
	flag.StringVar(&s.cluster, "cluster", "devcluster", "cluster of the acceptance ring: devcluster or existing")
	flag.Parse()
	s.testArgs = strings.Fields(*testArgs)

	// The interrupt reaches the children from the terminal; they stop by
	// themselves and the cluster is still taken down.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	total, err := run(ctx, s, *budget, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.failed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, s site, budget time.Duration, names []string) (result, error) {
	var total result
	root, err := cli.Root()
	if err != nil {
		return total, err
	}
	s.root = root
	chosen, err := choose(names)
	if err != nil {
		return total, err
	}
	start, unbounded := time.Now(), ctx
	if budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, start.Add(budget))
		defer cancel()
	}
	var left []string
	for _, r := range chosen {
		within := ctx
		if budget > 0 {
			reason, always := r.misfit(ctx, root, budget-time.Since(start))
			if reason != "" {
				left = append(left, fmt.Sprintf("SKIPPED ring %s: %s", r.name, reason))
				total.skipped++
				continue
			}
			if always {
				within = unbounded
			}
		}
		begun := time.Now()
		fmt.Printf("=== ring %s\n", r.name)
		got := r.run(within, s)
		fmt.Printf("=== ring %s: %d passed, %d failed, %d skipped in %s\n\n", r.name, got.passed, got.failed, got.skipped, time.Since(begun).Round(time.Second))
		total.add(got)
	}
	for _, line := range left {
		fmt.Println(line)
	}
	return total, nil
}

func choose(names []string) ([]ring, error) {
	var chosen []ring
	for _, name := range names {
		r, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("there is no ring %q, only %s", name, strings.Join(known(), ", "))
		}
		chosen = append(chosen, r)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("name the rings to run: %s", strings.Join(known(), ", "))
	}
	return chosen, nil
}
