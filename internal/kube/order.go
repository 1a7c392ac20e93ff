package kube

// InOrder puts the keyed lists of wanted into the order they have in live. The
// order of env or volumes that mlk makes is another than that of an adopted
// object: to the server that would be another pod template, and restart pods of
// which nothing was changed.
func InOrder(wanted, live *Object) {
	inOrder("", wanted.Object, live.Object)
}

func inOrder(field string, wanted, live any) any {
	switch w := wanted.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		for f, e := range w {
			if now, has := l[f]; has {
				w[f] = inOrder(f, e, now)
			}
		}
	case []any:
		if l, ok := live.([]any); ok && keyed(field, w) && keyed(field, l) {
			return listInOrder(field, w, l)
		}
	}
	return wanted
}

// listInOrder orders a list whose elements live has all of. One that gets or
// loses elements is another list anyway.
func listInOrder(field string, wanted, live []any) []any {
	out := make([]any, 0, len(wanted))
	for _, e := range live {
		w, has := find(field, wanted, elementKey(field, e))
		if !has || field == "env" && !says(e, w) {
			// A variable may come to use another, which must stand before it.
			return wanted
		}
		out = append(out, inOrder("", w, e))
	}
	if len(out) != len(wanted) || field == "initContainers" {
		return wanted // their order is what they do
	}
	return out
}

// says reports whether live says all that wanted does.
func says(live, wanted any) bool {
	w, ok := wanted.(map[string]any)
	l, both := live.(map[string]any)
	return ok && both && len(Drift(w, l)) == 0
}
