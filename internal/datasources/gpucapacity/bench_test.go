package gpucapacity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

const (
	benchNodes = 5000
	benchPods  = 50000
	benchPage  = 500
)

// BenchmarkCensus counts 5,000 nodes and 50,000 pods over a server that answers in
// pages of protobuf. live-MB is the most memory that was in use at the end of a
// page, garbage collected, beyond what the server holds.
func BenchmarkCensus(b *testing.B) {
	s := largeServer(b)
	var most uint64
	base := live()
	for b.Loop() {
		client, err := kube.NewClient(&rest.Config{Host: s.URL, QPS: -1})
		if err != nil {
			b.Fatal(err)
		}
		c := newCensus(0)
		seen := 0
		look := func() {
			if seen++; seen%benchPage == 0 && seen/benchPage%10 == 0 {
				now := live()
				most = max(most, now-min(base, now))
			}
		}
		if err := client.EachNode(b.Context(), "", func(n *corev1.Node) { c.addNode(n); look() }); err != nil {
			b.Fatal(err)
		}
		if err := client.EachPodOnNodes(b.Context(), func(p *corev1.Pod) { c.addPod(p); look() }); err != nil {
			b.Fatal(err)
		}
		if seen != benchNodes+benchPods || c.total().requested != benchPods {
			b.Fatalf("%d objects were seen, which hold %d GPUs", seen, c.total().requested)
		}
		client.Close()
	}
	b.ReportMetric(float64(most)/1e6, "live-MB")
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// largeServer answers lists of nodes, each with the images that real ones hold,
// and of pods, each with the environment and volumes that real ones have.
func largeServer(b *testing.B) *httptest.Server {
	b.Helper()
	info, ok := apiruntime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), apiruntime.ContentTypeProtobuf)
	if !ok {
		b.Fatal("no protobuf")
	}
	codec := scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion)
	serve := func(w http.ResponseWriter, r *http.Request, all int, list func(from int, more string) apiruntime.Object) {
		from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		more := ""
		if from+benchPage < all {
			more = strconv.Itoa(from + benchPage)
		}
		w.Header().Set("Content-Type", apiruntime.ContentTypeProtobuf)
		if err := codec.Encode(list(from, more), w); err != nil {
			b.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, benchNodes, func(from int, more string) apiruntime.Object {
			l := &corev1.NodeList{ListMeta: metav1.ListMeta{Continue: more}}
			for i := range benchPage {
				l.Items = append(l.Items, largeNode(from+i))
			}
			return l
		})
	})
	mux.HandleFunc("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, benchPods, func(from int, more string) apiruntime.Object {
			l := &corev1.PodList{ListMeta: metav1.ListMeta{Continue: more}}
			for i := range benchPage {
				l.Items = append(l.Items, largePod(from+i))
			}
			return l
		})
	})
	s := httptest.NewServer(mux)
	b.Cleanup(s.Close)
	return s
}

func largeNode(i int) corev1.Node {
	gpus := corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("16"), "cpu": resource.MustParse("192"), "memory": resource.MustParse("2Ti")}
	n := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("gpu-%d", i), Labels: map[string]string{"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}},
		Status:     corev1.NodeStatus{Capacity: gpus, Allocatable: gpus, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	for j := range 50 {
		n.Labels[fmt.Sprintf("feature.node.kubernetes.io/cpu-%d", j)] = "true"
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example.com/team/image-%d@sha256:0123456789abcdef0123456789abcdef", j)}, SizeBytes: 1 << 30})
	}
	return n
}

func largePod(i int) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", i), Namespace: fmt.Sprintf("team-%d", i%40), Labels: map[string]string{"app": "train"}}}
	p.Spec.NodeName = fmt.Sprintf("gpu-%d", i%benchNodes)
	p.Status.Phase = corev1.PodRunning
	c := corev1.Container{Name: "main", Image: "trainer", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}}}
	for j := range 30 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", j), Value: "some value of some length"})
	}
	p.Spec.Containers = []corev1.Container{c}
	return p
}
