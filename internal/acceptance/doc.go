// Package acceptance holds the tests that run Terraform itself against a
// cluster: what happens when it or the provider dies, or is pointed elsewhere.
package acceptance
