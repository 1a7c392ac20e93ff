// Command devcluster runs a real Kubernetes control plane with simulated GPU nodes on
// this machine, for the tests and demonstrations of the mlk provider.
//
// It needs a second program beside it, KWOK, built from the same go.mod. Both are built
// in this directory without -trimpath and with CGO_ENABLED=0, the version of
// k8s.io/kubernetes in go.mod being stamped into the first:
//
//	V=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
//	P=k8s.io/component-base/version
//	MAJOR=$(echo $V | cut -d. -f1 | tr -d v) MINOR=$(echo $V | cut -d. -f2)
//	CGO_ENABLED=0 go build -ldflags "-s -w -X $P.gitVersion=$V -X $P.gitMajor=$MAJOR -X $P.gitMinor=$MINOR" -o ../../bin/devcluster .
//	CGO_ENABLED=0 go build -ldflags "-s -w" -o ../../bin/kwok sigs.k8s.io/kwok/cmd/kwok
//
// Without the stamp the API server reports no version, and controllers that parse it end.
package main

import (
	"os"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/cli"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
)

func main() {
	// The components have command lines of their own, which must not meet ours.
	if len(os.Args) > 2 && os.Args[1] == component.Command {
		os.Exit(component.Run(os.Args[2], os.Args[3:]))
	}
	os.Exit(cli.Run(os.Args[1:]))
}
