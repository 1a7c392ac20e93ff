package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// defaultPort is PyTorch's for the first rank.
const defaultPort = "29500"

// options are what flags and environment ask for.
type options struct {
	// processes is how many processes torchrun would start here, one per GPU.
	processes int
	// gpus are the devices the node gave to the container.
	gpus []string

	data, checkpoints string
	epochs, every     int
	epochTime         time.Duration
	report            bool

	// at is the epoch after which the program does what follows, if it is this rank
	// or all do (-1).
	at, faulty    int
	exit          int
	allocate      int64
	fill          string
	fillSize      int64
	hang          bool
	ignoreSigterm bool

	// rank and world are this pod's place among the nodes of the run.
	rank, world int
	// master is where rank 0 listens.
	master string
	// patience bounds the meeting of the ranks.
	patience time.Duration
}

// parse reads torchrun's flags, then a script's name, then the training's; a
// call without a script may have all of them.
func parse(args []string, getenv func(string) string) (options, error) {
	o := options{gpus: visible(getenv("NVIDIA_VISIBLE_DEVICES"))}
	var perNode, allocate, fillSize string
	f := flag.NewFlagSet("trainer", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&perNode, "nproc-per-node", orElse(getenv("PET_NPROC_PER_NODE"), "1"), "processes on this node: a number, or gpu")
	f.StringVar(&o.data, "data", "", "folder of the data, which must exist")
	f.StringVar(&o.checkpoints, "checkpoints", "", "folder of the checkpoints; none are written without it")
	f.IntVar(&o.epochs, "epochs", 10, "epochs to train")
	f.IntVar(&o.every, "checkpoint-every", 10, "epochs between checkpoints")
	f.DurationVar(&o.epochTime, "epoch-time", 20*time.Millisecond, "what an epoch takes")
	f.BoolVar(&o.report, "report", false, "report GPUs, ranks and the checkpoint it resumed from as well")
	f.IntVar(&o.at, "at", 0, "the epoch after which the faults below happen")
	f.IntVar(&o.faulty, "faulty-rank", -1, "the only rank that has the faults below; -1 is all")
	f.IntVar(&o.exit, "exit", 0, "exit with this code")
	f.StringVar(&allocate, "allocate", "0", "take this much memory, such as 512Mi")
	f.StringVar(&o.fill, "fill", "", "write into this folder")
	f.StringVar(&fillSize, "fill-size", "256Mi", "write this much at most; what is smaller is full before")
	f.BoolVar(&o.hang, "hang", false, "do nothing from then on")
	f.BoolVar(&o.ignoreSigterm, "ignore-sigterm", false, "go on when asked to stop")
	f.DurationVar(&o.patience, "rendezvous-timeout", 5*time.Minute, "how long to wait for the other ranks")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		if err := f.Parse(f.Args()[1:]); err != nil {
			return o, err
		}
		if f.NArg() > 0 {
			return o, fmt.Errorf("unrecognized arguments: %s", strings.Join(f.Args(), " "))
		}
	}
	var errs []error
	o.processes = len(o.gpus)
	if perNode != "gpu" && perNode != "auto" {
		n, err := strconv.Atoi(perNode)
		errs = append(errs, err)
		o.processes = n
	}
	for text, to := range map[string]*int64{allocate: &o.allocate, fillSize: &o.fillSize} {
		n, err := size(text)
		errs = append(errs, err)
		*to = n
	}
	errs = append(errs, o.place(getenv))
	return o, errors.Join(errs...)
}

// place finds the pod's place in a run of several from what launchers set:
// torchrun's PET_* first, then what the Job controller and other launchers say.
func (o *options) place(getenv func(string) string) error {
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	number := func(value string, otherwise int) (int, error) {
		if value == "" {
			return otherwise, nil
		}
		return strconv.Atoi(value)
	}
	// PET_NNODES may be "2:4"; the gang is complete with the smaller number.
	nodes, _, _ := strings.Cut(first("PET_NNODES", "WORLD_SIZE"), ":")
	var err error
	if o.world, err = number(nodes, 1); err != nil {
		return fmt.Errorf("the number of nodes is %q: %w", nodes, err)
	}
	rank := first("PET_NODE_RANK", "RANK", "JOB_COMPLETION_INDEX")
	if o.rank, err = number(rank, 0); err != nil {
		return fmt.Errorf("the rank is %q: %w", rank, err)
	}
	if o.world < 2 {
		// An index without a number of nodes is an independent worker.
		return nil
	}
	if o.rank < 0 || o.rank >= o.world {
		return fmt.Errorf("rank %d is none of 0 to %d", o.rank, o.world-1)
	}
	host := first("PET_MASTER_ADDR", "MASTER_ADDR")
	if host == "" {
		return errors.New("MASTER_ADDR is not set, and there are other ranks")
	}
	o.master = net.JoinHostPort(host, orElse(first("PET_MASTER_PORT", "MASTER_PORT"), defaultPort))
	return nil
}

// visible are the devices a container got. Without a device plugin the variable
// is not set; "void" and "none" are the NVIDIA runtime's words for nothing.
func visible(devices string) []string {
	if devices == "" || devices == "void" || devices == "none" {
		return nil
	}
	return strings.Split(devices, ",")
}

// size reads 512Mi or 2Gi.
func size(s string) (int64, error) {
	for suffix, unit := range map[string]int64{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			v, err := strconv.ParseInt(n, 10, 64)
			return v * unit, err
		}
	}
	return strconv.ParseInt(s, 10, 64)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
