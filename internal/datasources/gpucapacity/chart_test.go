package gpucapacity

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/srwiley/oksvg"
	"github.com/srwiley/rasterx"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sample is a cluster with something of everything.
func sample(nodes int) *census {
	c := newCensus(0)
	for i := range nodes {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("gpu-%d", i), Labels: map[string]string{"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}}
		if i%3 == 2 {
			n.Labels["nvidia.com/gpu.product"] = "NVIDIA-A100-SXM4-80GB"
		}
		n.Spec.Unschedulable = i%11 == 10
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		n.Status.Capacity = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8")}
		n.Status.Allocatable = n.Status.Capacity.DeepCopy()
		if i%7 == 3 {
			n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("7")
		}
		if i == 4 {
			n.Labels["nvidia.com/gpu.product"] = "NVIDIA-A100-SXM4-40GB"
			n.Status.Capacity = corev1.ResourceList{"nvidia.com/mig-1g.5gb": resource.MustParse("56")}
			n.Status.Allocatable = n.Status.Capacity.DeepCopy()
		}
		c.addNode(&n)
		for j := range i % 4 {
			p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: []string{"vision", "search", "llm", "speech & audio"}[(i+j)%4]}}
			p.Spec.NodeName = n.Name
			r := corev1.ResourceName("nvidia.com/gpu")
			if i == 4 {
				r = "nvidia.com/mig-1g.5gb"
			}
			p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{r: *resource.NewQuantity(int64(1+(i*j)%3), resource.DecimalSI)}}}}
			c.addPod(&p)
		}
	}
	return c
}

// render draws an SVG. It is strict: what it does not understand is an error.
func render(t *testing.T, svg string) *image.RGBA {
	t.Helper()
	icon, err := oksvg.ReadIconStream(strings.NewReader(withoutText(svg)), oksvg.StrictErrorMode)
	if err != nil {
		t.Fatal(err)
	}
	w, h := int(icon.ViewBox.W), int(icon.ViewBox.H)
	icon.SetTarget(0, 0, float64(w), float64(h))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	icon.Draw(rasterx.NewDasher(w, h, rasterx.NewScannerGV(w, h, img, img.Bounds())), 1)
	return img
}

// withoutText leaves out the letters, which the library does not draw.
func withoutText(svg string) string {
	return regexp.MustCompile(`(?s)<text.*?</text>`).ReplaceAllString(svg, "")
}

// TestChartShowsEveryGPU renders the chart and counts the squares of each colour
// in the picture.
func TestChartShowsEveryGPU(t *testing.T) {
	t.Parallel()
	c := sample(24)
	svg := c.chart(drawn)
	img := render(t, svg)
	if dir := os.Getenv("MLK_CHART_DIR"); dir != "" {
		save(t, dir, svg, img)
	}
	if corner := img.RGBAAt(10, 10); corner != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("the background is %v", corner)
	}
	total := c.total()
	want := map[string]int64{colourFree: total.free, colourShut: total.unavailable, colourIll: total.unhealthy}
	for i, s := range c.holders() {
		want[palette[i]] = s.gpus
	}
	// The cells lie below the bar and the legend: in the squares of the paths.
	for colour, n := range want {
		if got := squares(t, img, svg, colour); got != n {
			t.Errorf("%d squares of colour %s are in the picture, want %d", got, colour, n)
		}
	}
}

// start is where the outline of a cell begins.
var start = regexp.MustCompile(`M(\d+) (\d+)h`)

// squares counts the cells of a colour: those whose corner in the picture has it.
func squares(t *testing.T, img *image.RGBA, svg, colour string) int64 {
	t.Helper()
	var r, g, b uint8
	if _, err := fmt.Sscanf(colour, "#%02X%02X%02X", &r, &g, &b); err != nil {
		t.Fatal(err)
	}
	var out int64
	for _, m := range start.FindAllStringSubmatch(svg, -1) {
		var x, y int
		if _, err := fmt.Sscan(m[1]+" "+m[2], &x, &y); err != nil {
			t.Fatal(err)
		}
		// Beside the middle, where an unhealthy one is crossed out.
		if got := img.RGBAAt(x+4, y+1); got == (color.RGBA{r, g, b, 255}) {
			out++
		}
	}
	return out
}

// TestChartIsSelfContained: well-formed, without references to anything outside,
// names escaped, nothing beyond its edges, and the same for the same cluster.
func TestChartIsSelfContained(t *testing.T) {
	t.Parallel()
	svg := sample(24).chart(drawn)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, reference := range []string{"href", "url(", "<script", "<image", "@import"} {
		if strings.Contains(svg, reference) {
			t.Errorf("the chart has %s", reference)
		}
	}
	if !strings.Contains(svg, "speech &amp; audio") {
		t.Error("a name is not escaped")
	}
	for _, m := range regexp.MustCompile(` x="([\d.]+)"`).FindAllStringSubmatch(svg, -1) {
		var x float64
		if _, err := fmt.Sscan(m[1], &x); err != nil || x > chartWidth {
			t.Errorf("something begins at %s, beyond the edge", m[1])
		}
	}
	if again := sample(24).chart(drawn); again != svg {
		t.Error("the same cluster has another chart")
	}
}

// TestChartIsBounded: of a large cluster the chart says what it leaves out, and it
// stays small enough for a state.
func TestChartIsBounded(t *testing.T) {
	t.Parallel()
	svg := sample(5000).chart(drawn)
	if len(svg) > 120_000 {
		t.Errorf("the chart of %d nodes has %d bytes", drawn, len(svg))
	}
	if n := strings.Count(svg, ">gpu-"); n > drawn || n < drawn/2 {
		t.Errorf("%d nodes are drawn, want %d", n, drawn)
	}
	if !strings.Contains(svg, " more, with ") {
		t.Error("it does not say what it leaves out")
	}
	if svg := newCensus(0).chart(drawn); !strings.Contains(svg, "0 of 0 GPUs free") {
		t.Errorf("a cluster without GPUs: %s", svg)
	}
}

func save(t *testing.T, dir, svg string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"chart.png": b.Bytes(), "chart.svg": []byte(svg)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
