// Package kubelet stands in for the kubelets of the simulated nodes where KWOK does
// not: it answers requests for logs and writes the events a kubelet writes.
package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/pki"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/podlog"
)

// Server is the log endpoint of all nodes.
type Server struct {
	Client kubernetes.Interface
}

// Serve answers on a listener until ctx ends. Only clients with a certificate of the
// cluster's authority, which the API server has, are heard.
func (s *Server) Serve(ctx context.Context, l net.Listener, serving pki.Pair, authority string) error {
	crt, err := tls.LoadX509KeyPair(serving.Cert, serving.Key)
	if err != nil {
		return fmt.Errorf("load the kubelet's certificate: %w", err)
	}
	raw, err := os.ReadFile(authority)
	if err != nil {
		return fmt.Errorf("load the authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.logs)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{crt},
			ClientCAs:    pool,
			ClientAuth:   tls.RequireAndVerifyClientCert,
		},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve logs: %w", err)
	}
	return nil
}

func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	o, err := parse(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, err := s.Client.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
	if err != nil {
		code := http.StatusInternalServerError
		if apierrors.IsNotFound(err) {
			code = http.StatusNotFound
		}
		http.Error(w, err.Error(), code)
		return
	}
	container := r.PathValue("container")
	run, err := podlog.Find(pod, container, o.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := time.Now()
	body := podlog.Body(pod, container, run, now)
	out := &printer{w: w, options: o}
	out.print(o.last(append(body, podlog.Ending(pod, container, run)...), now))
	if o.follow && run.Ended.IsZero() && out.err == nil {
		s.follow(r.Context(), out, pod, container, run, len(body))
	}
}

// follow prints new lines as they come until the run is over or the pod is gone.
func (s *Server) follow(ctx context.Context, out *printer, pod *corev1.Pod, container string, run podlog.Run, printed int) {
	w, err := s.Client.CoreV1().Pods(pod.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, pod.Name).String(),
		ResourceVersion: pod.ResourceVersion,
	})
	if err != nil {
		return
	}
	defer w.Stop()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for out.err == nil {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case e, open := <-w.ResultChan():
			now, ok := e.Object.(*corev1.Pod)
			if !open || !ok {
				return
			}
			if over, ended := finished(now, container, run); ended {
				body := podlog.Body(now, container, over, time.Now())
				out.print(body[min(printed, len(body)):])
				out.print(podlog.Ending(now, container, over))
				return
			}
			if e.Type == "DELETED" {
				return
			}
			pod = now
		}
		body := podlog.Body(pod, container, run, time.Now())
		out.print(body[min(printed, len(body)):])
		printed = max(printed, len(body))
	}
}

// finished returns how the run ended, if it did.
func finished(pod *corev1.Pod, container string, run podlog.Run) (podlog.Run, bool) {
	for _, previous := range []bool{false, true} {
		if r, err := podlog.Find(pod, container, previous); err == nil && r.Started.Equal(run.Started) {
			return r, !r.Ended.IsZero()
		}
	}
	return podlog.Run{}, true
}

// options are the query of a log request, as the API server passes it on.
type options struct {
	follow, previous, timestamps bool
	tail, limit                  int64 // -1: all
	since                        time.Time
	sinceSeconds                 int64 // 0: from the start
	stream                       string
}

func parse(q url.Values) (options, error) {
	o := options{
		follow:     q.Get("follow") == "true",
		previous:   q.Get("previous") == "true",
		timestamps: q.Get("timestamps") == "true",
		stream:     q.Get("stream"),
		tail:       -1,
		limit:      -1,
	}
	for key, at := range map[string]*int64{"tailLines": &o.tail, "limitBytes": &o.limit, "sinceSeconds": &o.sinceSeconds} {
		if v := q.Get(key); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return o, fmt.Errorf("%s: %w", key, err)
			}
			*at = n
		}
	}
	if v := q.Get("sinceTime"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return o, fmt.Errorf("sinceTime: %w", err)
		}
		o.since = t
	}
	return o, nil
}

// last returns the lines the request asks for. As in a container runtime the tail is
// taken from the lines that are young enough.
func (o options) last(lines []podlog.Line, now time.Time) []podlog.Line {
	since := o.since
	if o.sinceSeconds > 0 {
		since = now.Add(-time.Duration(o.sinceSeconds) * time.Second)
	}
	var kept []podlog.Line
	for _, l := range lines {
		if l.Time.Before(since) || o.stream == corev1.LogStreamStdout && l.Stderr || o.stream == corev1.LogStreamStderr && !l.Stderr {
			continue
		}
		kept = append(kept, l)
	}
	if o.tail >= 0 && int64(len(kept)) > o.tail {
		kept = kept[int64(len(kept))-o.tail:]
	}
	return kept
}

// printer writes lines until an error or the limit.
type printer struct {
	w       io.Writer
	options options
	written int64
	err     error
}

func (p *printer) print(lines []podlog.Line) {
	for _, l := range lines {
		text := l.Text + "\n"
		if p.options.timestamps {
			text = l.Time.UTC().Format(time.RFC3339Nano) + " " + text
		}
		if p.options.limit >= 0 {
			text = text[:min(int64(len(text)), p.options.limit-p.written)]
		}
		n, err := io.WriteString(p.w, text)
		p.written += int64(n)
		if err != nil {
			p.err = err
		} else if p.options.limit >= 0 && p.written >= p.options.limit {
			p.err = io.ErrShortWrite
		}
		if p.err != nil {
			return
		}
	}
	if f, ok := p.w.(http.Flusher); ok {
		f.Flush()
	}
}
