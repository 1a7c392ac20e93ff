package component

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // CronJobs name time zones, on machines without a zone database too

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Run makes this process the named component until it ends, and returns its exit code.
func Run(name string, args []string) int {
	var command *cobra.Command
	switch name {
	case Etcd:
		if err := runEtcd(args); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			return 1
		}
		return 0
	case APIServer:
		command = apiserver.NewAPIServerCommand()
	case ControllerManager:
		command = controllermanager.NewControllerManagerCommand()
	case Scheduler:
		command = scheduler.NewSchedulerCommand()
	default:
		fmt.Fprintf(os.Stderr, "devcluster has no component %q\n", name)
		return 2
	}
	command.SetArgs(args)
	return cli.Run(command)
}

func runEtcd(args []string) error {
	flags := flag.NewFlagSet(Etcd, flag.ContinueOnError)
	data := flags.String("data-dir", "", "data directory")
	client := flags.String("client-url", "", "URL for clients")
	peer := flags.String("peer-url", "", "URL for peers")
	cert := flags.String("cert", "", "certificate file")
	key := flags.String("key", "", "key file")
	ca := flags.String("ca", "", "authority's certificate file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	clientURL, err := url.Parse(*client)
	if err != nil {
		return fmt.Errorf("client URL: %w", err)
	}
	peerURL, err := url.Parse(*peer)
	if err != nil {
		return fmt.Errorf("peer URL: %w", err)
	}

	c := embed.NewConfig()
	c.Name = "devcluster"
	c.Dir = *data
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{*clientURL}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.ClientTLSInfo = transport.TLSInfo{CertFile: *cert, KeyFile: *key, TrustedCAFile: *ca, ClientCertAuth: true}
	c.PeerTLSInfo = c.ClientTLSInfo
	c.UnsafeNoFsync = true // the data are thrown away with the cluster
	c.LogLevel = "warn"

	server, err := embed.StartEtcd(c)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-server.Err():
		return err
	case <-stop:
		server.Close()
		return nil
	}
}
