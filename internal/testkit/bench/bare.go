package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// workers is Terraform's default parallelism.
const workers = 10

// bare does with client-go alone the API calls that the provider needs for the
// same work, and returns how long each part took.
func bare(ctx context.Context, cfg *rest.Config, namespace string, jobs int) (create, list, remove time.Duration, err error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return 0, 0, 0, err
	}
	start := time.Now()
	err = inParallel(jobs, func(i int) error { return bareCreate(ctx, client, namespace, name(i)) })
	if err != nil {
		return 0, 0, 0, fmt.Errorf("create: %w", err)
	}
	create = time.Since(start)
	start = time.Now()
	if _, err = client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{}); err != nil {
		return 0, 0, 0, fmt.Errorf("list: %w", err)
	}
	list = time.Since(start)
	start = time.Now()
	if err = bareDelete(ctx, client, namespace, jobs); err != nil {
		return 0, 0, 0, fmt.Errorf("delete: %w", err)
	}
	return create, list, time.Since(start), nil
}

func name(i int) string { return fmt.Sprintf("bare-%d", i) }

// bareCreate looks whether the name is free, applies, and marks.
func bareCreate(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	jobs := client.BatchV1().Jobs(namespace)
	if _, err := jobs.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s should not exist: %w", name, err)
	}
	job := batchac.Job(name, namespace).
		WithLabels(map[string]string{"team": "bench"}).
		WithSpec(batchac.JobSpec().WithSuspend(true).WithTemplate(coreac.PodTemplateSpec().
			WithSpec(coreac.PodSpec().WithRestartPolicy(corev1.RestartPolicyNever).WithContainers(
				coreac.Container().WithName("main").WithImage("pytorch/pytorch:2.1-cuda12.1").WithCommand("python", "train.py").
					WithEnv(coreac.EnvVar().WithName("NCCL_DEBUG").WithValue("INFO"))))))
	if _, err := jobs.Apply(ctx, job, metav1.ApplyOptions{FieldManager: "bench"}); err != nil {
		return err
	}
	_, err := jobs.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"bench":"true"}}}`), metav1.PatchOptions{FieldManager: "bench-mark"})
	return err
}

// bareDelete reads and deletes each Job in the foreground and watches until all
// are gone.
func bareDelete(ctx context.Context, client kubernetes.Interface, namespace string, count int) error {
	jobs := client.BatchV1().Jobs(namespace)
	all, err := jobs.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	w, err := jobs.Watch(ctx, metav1.ListOptions{ResourceVersion: all.ResourceVersion})
	if err != nil {
		return err
	}
	defer w.Stop()
	done := make(chan error, 1)
	go func() {
		left := count
		for e := range w.ResultChan() {
			if _, ok := e.Object.(*batchv1.Job); ok && e.Type == watch.Deleted {
				if left--; left == 0 {
					done <- nil
					return
				}
			}
		}
		done <- fmt.Errorf("the watch ended with %d Jobs left", left)
	}()
	foreground := metav1.DeletePropagationForeground
	err = inParallel(count, func(i int) error {
		job, err := jobs.Get(ctx, name(i), metav1.GetOptions{})
		if err != nil {
			return err
		}
		return jobs.Delete(ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: &foreground, Preconditions: &metav1.Preconditions{UID: &job.UID}})
	})
	if err != nil {
		return err
	}
	return <-done
}

// inParallel does n pieces of work, as many at once as Terraform would.
func inParallel(n int, work func(int) error) error { return atOnce(workers, n, work) }

func atOnce(workers, n int, work func(int) error) error {
	next := make(chan int)
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
