// Package kind holds the tests that only real nodes can give: containers that
// run, kubelets that pull, mount, kill and evict, GPUs that a device plugin
// lends, nodes that start anew. They run on the kind cluster and nowhere else:
// make testacc CLUSTER=kind.
package kind
