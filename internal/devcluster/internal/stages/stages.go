// Package stages holds what simulated nodes and pods do, as KWOK stages.
//
// The files beside it are KWOK Stage objects with macros of the form %NAME%, because
// many stages ask the same thing of a pod. A stage is selected by conditions that
// exclude all other stages: KWOK draws among several that match.
package stages

import (
	"embed"
	"strconv"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// names are the files, in the order in which KWOK reads them.
var names = []string{"options.yaml", "node.yaml", "pod-start.yaml", "pod-end.yaml", "pod-restart.yaml", "pod-waiting.yaml"}

// The jq fragments and template beginnings that the files share. A fragment is an
// expression over the whole object. The text after "message=" is free and must never
// be searched for other keys.
const (
	annotation = `(.metadata.annotations["mlk.dev/simulate"] // (if any(.metadata.ownerReferences[]?; .kind == "Job") then "succeed:after=1s" else "run" end))`
	head       = `(` + annotation + ` | split("message=")[0])`
	verb       = `(` + annotation + ` | split(":")[0])`
	target     = `((` + head + ` | capture("container=(?<c>[a-z0-9-]+)").c) // .spec.containers[0].name)`
	seconds    = `((` + head + ` | capture("[:,]after=(?<n>[0-9]+)(?<u>s|m)") | (.n | tonumber) * (if .u == "m" then 60 else 1 end)) // 1)`
	times      = `((` + head + ` | capture("[:,]times=(?<n>[0-9]+)").n | tonumber) // 1000000)`

	// simulated sets $sim (the annotation), $head (all before the message), $msg and $bad
	// (the container it is about).
	simulated = `{{ $root := . }}
        {{ $sim := index (or .metadata.annotations dict) "mlk.dev/simulate" | default "succeed" }}
        {{ $cut := splitn "message=" 2 $sim }}
        {{ $head := $cut._0 }}
        {{ $msg := $cut._1 | default "" }}
        {{ $bad := regexFind "container=[a-z0-9-]+" $head | trimPrefix "container=" | default (index .spec.containers 0).name }}`

	// exit sets $oom and $exit, and $why: the termination message, which a container
	// without one takes from its log if its policy says so.
	exit = `{{ $oom := hasPrefix "oom" $sim }}
        {{ $exit := ternary "137" (ternary "0" "1" (hasPrefix "succeed" $sim)) $oom }}
        {{ with regexFind "exit=[0-9]+" $head }}{{ $exit = trimPrefix "exit=" . }}{{ end }}
        {{ $why := $msg }}
        {{ range .spec.containers }}
        {{ if and (eq .name $bad) (not $msg) (not $oom) (ne $exit "0") (eq (.terminationMessagePolicy | default "") "FallbackToLogsOnError") }}
        {{ $why = printf "RuntimeError: simulated failure, exit code %s\n" $exit }}
        {{ end }}
        {{ end }}`
)

// layouts sets $layouts: the devices per GPU of each MIG layout that a GPU of the node's
// memory has. all-enabled is MIG without any device.
const layouts = `{{ $mib := index .metadata.labels "nvidia.com/gpu.memory" | default "81920" | int }}
        {{ $layouts := dict "all-disabled" dict "all-enabled" dict }}
        {{ if lt $mib 50000 }}
        {{ $layouts = merge $layouts (dict "all-1g.5gb" (dict "1g.5gb" 7) "all-2g.10gb" (dict "2g.10gb" 3) "all-3g.20gb" (dict "3g.20gb" 2) "all-4g.20gb" (dict "4g.20gb" 1) "all-7g.40gb" (dict "7g.40gb" 1) "all-balanced" (dict "1g.5gb" 2 "2g.10gb" 1 "3g.20gb" 1)) }}
        {{ else if lt $mib 100000 }}
        {{ $layouts = merge $layouts (dict "all-1g.10gb" (dict "1g.10gb" 7) "all-2g.20gb" (dict "2g.20gb" 3) "all-3g.40gb" (dict "3g.40gb" 2) "all-4g.40gb" (dict "4g.40gb" 1) "all-7g.80gb" (dict "7g.80gb" 1) "all-balanced" (dict "1g.10gb" 2 "2g.20gb" 1 "3g.40gb" 1)) }}
        {{ else if lt $mib 160000 }}
        {{ $layouts = merge $layouts (dict "all-1g.18gb" (dict "1g.18gb" 7) "all-2g.35gb" (dict "2g.35gb" 3) "all-3g.71gb" (dict "3g.71gb" 2) "all-4g.71gb" (dict "4g.71gb" 1) "all-7g.141gb" (dict "7g.141gb" 1) "all-balanced" (dict "1g.18gb" 2 "2g.35gb" 1 "3g.71gb" 1)) }}
        {{ else }}
        {{ $layouts = merge $layouts (dict "all-1g.23gb" (dict "1g.23gb" 7) "all-2g.45gb" (dict "2g.45gb" 3) "all-3g.90gb" (dict "3g.90gb" 2) "all-4g.90gb" (dict "4g.90gb" 1) "all-7g.180gb" (dict "7g.180gb" 1) "all-balanced" (dict "1g.23gb" 2 "2g.45gb" 1 "3g.90gb" 1)) }}
        {{ end }}`

// Config returns KWOK's configuration. kubeletPort is where the nodes' kubelets are
// said to listen.
func Config(kubeletPort int) (string, error) {
	macros := strings.NewReplacer(
		"%KUBELET_PORT%", strconv.Itoa(kubeletPort),
		"%HEAD%", head,
		"%VERB%", verb,
		"%TARGET%", target,
		"%SECONDS%", seconds,
		"%TIMES%", times,
		"%SIMULATED%", simulated,
		"%EXIT%", exit,
		"%MIG_LAYOUTS%", layouts,
	)
	var docs []string
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		docs = append(docs, strings.TrimSpace(macros.Replace(string(raw))))
	}
	return strings.Join(docs, "\n---\n") + "\n", nil
}
