// Command terraform-provider-mlk serves the mlk provider to Terraform and
// OpenTofu.
package main

import (
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/provider"
)

// address is the provider's source in the registry.
const address = "registry.terraform.io/mlkube/mlk"

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "serve until interrupted, for a debugger; prints what to put into TF_REATTACH_PROVIDERS")
	flag.Parse()

	var options []tf6server.ServeOpt
	if *debug {
		options = append(options, tf6server.WithManagedDebug())
	}
	err := tf6server.Serve(address, provider.Server(version), options...)
	kube.Finish()
	if err != nil {
		log.Fatal(err)
	}
}
