package diagnose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Masks hides what containers get as secret environment from what is quoted of
// them. The zero value hides nothing.
type Masks struct {
	hide *strings.Replacer
	// unread holds why the values of a secret are not known, by its name.
	unread map[string]string
}

// masked stands where a secret value stood.
const masked = "[masked]"

const (
	// leastMasked is the length below which a value is not masked: it could not
	// be told from ordinary text.
	leastMasked = 4
	// leastLine is that of a line of a value with several, such as a key file.
	leastLine = 8
	// askedSecrets bounds how many secrets are read.
	askedSecrets = 20
)

// secretName matches names of variables whose values are secret even where they
// are written into the pod as they are.
var secretName = regexp.MustCompile(`(?i)TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY`)

// secretKeys lists the secrets that a container takes environment from, with the
// keys it takes; nil keys mean all.
func secretKeys(c *corev1.Container) map[string][]string {
	out := map[string][]string{}
	for _, e := range c.Env {
		if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := e.ValueFrom.SecretKeyRef
		if have, ok := out[ref.Name]; !ok || have != nil {
			out[ref.Name] = append(have, ref.Key)
		}
	}
	for _, e := range c.EnvFrom {
		if e.SecretRef != nil {
			out[e.SecretRef.Name] = nil
		}
	}
	return out
}

func containersOf(p *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range p.Spec.InitContainers {
		out = append(out, &p.Spec.InitContainers[i])
	}
	for i := range p.Spec.Containers {
		out = append(out, &p.Spec.Containers[i])
	}
	return out
}

// CollectMasks reads the secrets that the pods, all of one namespace, take
// environment from.
func CollectMasks(ctx context.Context, r Reader, namespace string, pods []corev1.Pod) Masks {
	var names []string
	for i := range pods {
		for _, c := range containersOf(&pods[i]) {
			for name := range secretKeys(c) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	unread := map[string]string{}
	if len(names) > askedSecrets {
		for _, name := range names[askedSecrets:] {
			unread[name] = "there are too many"
		}
		names = names[:askedSecrets]
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var secrets []corev1.Secret
	for _, name := range names {
		wg.Go(func() {
			s, err := r.Secret(ctx, namespace, name)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				secrets = append(secrets, *s)
			case !apierrors.IsNotFound(err): // nobody can have got what does not exist
				unread[name] = Because(err)
			}
		})
	}
	wg.Wait()
	return newMasks(pods, secrets, unread)
}

// newMasks makes the masks for pods whose secrets are known, but for those unread.
func newMasks(pods []corev1.Pod, secrets []corev1.Secret, unread map[string]string) Masks {
	values := map[string]bool{}
	add := func(v string) {
		v = strings.TrimSpace(v)
		if len(v) >= leastMasked {
			values[v] = true
		}
		for l := range strings.Lines(v) {
			if l = strings.TrimSpace(l); len(l) >= leastLine {
				values[l] = true
			}
		}
	}
	data := map[string]map[string][]byte{}
	for _, s := range secrets {
		data[s.Name] = s.Data
	}
	for i := range pods {
		for _, c := range containersOf(&pods[i]) {
			for _, e := range c.Env {
				if secretName.MatchString(e.Name) {
					add(e.Value)
				}
			}
			for name, keys := range secretKeys(c) {
				for k, v := range data[name] {
					if keys == nil || slices.Contains(keys, k) {
						add(string(v))
					}
				}
			}
		}
	}
	m := Masks{unread: unread}
	if len(values) == 0 {
		return m
	}
	// The longest first: one value may begin with another.
	longest := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		if c := cmp.Compare(len(b), len(a)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	var pairs []string
	for _, v := range longest {
		pairs = append(pairs, v, masked)
	}
	m.hide = strings.NewReplacer(pairs...)
	return m
}

// Hide returns a text without the secret values in it.
func (m Masks) Hide(s string) string {
	if m.hide == nil {
		return s
	}
	return m.hide.Replace(s)
}

// Withholds says why nothing can be quoted of what a container wrote: a secret
// whose values are not known would show. It is "" when all can be masked.
func (m Masks) Withholds(p *corev1.Pod, container string) string {
	for _, c := range containersOf(p) {
		if c.Name != container {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(secretKeys(c))) {
			if why, ok := m.unread[name]; ok {
				return fmt.Sprintf("it takes environment from secret %s, which could not be read to mask its values: %s", name, why)
			}
		}
	}
	return ""
}

// over masks all that evidence quotes, and notes of which containers nothing may
// be quoted. The pods of the evidence are copied first: others use them.
func (m Masks) over(e *Evidence) {
	pods := make([]corev1.Pod, 0, len(e.Pods))
	for i := range e.Pods {
		p := e.Pods[i].DeepCopy()
		for _, c := range containersOf(p) {
			if why := m.Withholds(p, c.Name); why != "" {
				e.withhold(LogKey{Pod: p.Name, Container: c.Name}, why)
			}
		}
		p.Status.Message = m.Hide(p.Status.Message)
		for j := range p.Status.Conditions {
			p.Status.Conditions[j].Message = m.Hide(p.Status.Conditions[j].Message)
		}
		for _, statuses := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
			for j := range statuses {
				m.state(&statuses[j].State)
				m.state(&statuses[j].LastTerminationState)
			}
		}
		pods = append(pods, *p)
	}
	e.Pods = pods
	events := make([]corev1.Event, 0, len(e.Events))
	for _, ev := range e.Events {
		ev.Message = m.Hide(ev.Message)
		events = append(events, ev)
	}
	e.Events = events
	for k, text := range e.Logs {
		e.Logs[k] = m.Hide(text)
	}
}

func (m Masks) state(s *corev1.ContainerState) {
	if s.Terminated != nil {
		s.Terminated.Message = m.Hide(s.Terminated.Message)
	}
	if s.Waiting != nil {
		s.Waiting.Message = m.Hide(s.Waiting.Message)
	}
}
