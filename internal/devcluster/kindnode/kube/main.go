//go:build kindnode

// Command kube is every Kubernetes program of a kind node in one file: under which
// name it is called decides which of them it is. One file of them all is a fifth of the
// size of eight, in the image and in the memory of its nodes.
//
// It is built with the tag kindnode, so that whoever needs the local cluster alone need
// not compile the kubelet.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl and kubelet log in as the original do
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // the components' log format json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the components' own requests
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric kubernetes_build_info
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmutil "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	case "kube-proxy":
		command = proxy.NewProxyCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(context.Background())
	case "kubeadm":
		kubeadmutil.HandleError(kubeadm.Run())
		return
	case "kubectl":
		kubectlutil.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
		return
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "kindnetd":
		if err := network(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "kindnetd:", err)
			os.Exit(1)
		}
		return
	default:
		fmt.Fprintf(os.Stderr, "%s is no program of a node; call this file by the name of one\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}
