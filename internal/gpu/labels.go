package gpu

import (
	"strconv"
	"strings"
)

// first is the value of the first label that there is.
func first(labels map[string]string, keys []string) string {
	for _, k := range keys {
		if v := labels[k]; v != "" {
			return v
		}
	}
	return ""
}

// parts joins labels that hold the parts of a version, "" when one is missing.
func parts(labels map[string]string, keys ...string) string {
	var out []string
	for _, k := range keys {
		if labels[k] == "" {
			return ""
		}
		out = append(out, labels[k])
	}
	return strings.Join(out, ".")
}

// none is "" for a label that says none.
func none(v string) string {
	if v == "none" {
		return ""
	}
	return v
}

// number reads a label; 0 when it holds none.
func number(v string) int64 {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
