// Command wide serves the provider with its whole schema, every attribute with
// its type: what docs/ is made of. Users run the provider with less of it: see
// package narrow.
package main

import (
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
)

func main() {
	if err := tf6server.Serve("registry.terraform.io/mlkube/mlk", provider.Wide("docs")); err != nil {
		log.Fatal(err)
	}
}
