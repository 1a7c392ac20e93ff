// Command terraform-provider-mlk serves the mlk provider to Terraform and
// OpenTofu.
package main

import (
	"flag"
	"log"
	"os"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/provider"
)

// address is the provider's source in the registry.
const address = "registry.terraform.io/mlkube/mlk"

// garbage is how much may pile up, in percent of what is in use, before it is
// collected. Most of what is in use are schemas, which are there from beginning
// to end: with Go's 100 a quarter of the provider's time went into looking
// through them again and again.
const garbage = 400

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	debugging := flag.Bool("debug", false, "serve until interrupted, for a debugger; prints what to put into TF_REATTACH_PROVIDERS")
	flag.Parse()

	quiet(os.Environ(), os.Setenv)
	debug.SetGCPercent(garbage)
	var options []tf6server.ServeOpt
	if *debugging {
		options = append(options, tf6server.WithManagedDebug())
	}
	err := tf6server.Serve(address, provider.Server(version), options...)
	kube.Finish()
	if err != nil {
		log.Fatal(err)
	}
}

// quiet turns off the plugin framework's own trace unless somebody asked for
// logs: Terraform reads and parses every line of it before throwing it away,
// which costs more than the provider's work.
func quiet(environ []string, setenv func(key, value string) error) {
	for _, e := range environ {
		if strings.HasPrefix(e, "TF_LOG") && !strings.HasSuffix(e, "=") {
			return
		}
	}
	for _, subsystem := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_PROTO"} {
		_ = setenv(subsystem, "WARN") // without it there is only more output
	}
}
