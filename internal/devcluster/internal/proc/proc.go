// Package proc names processes in a way that survives the reuse of a PID: an
// identity is the PID together with the moment the process started.
package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Identity is one process, and never a later one that got the same PID.
// The zero value names no process.
type Identity struct {
	PID int `json:"pid"`
	// Start is what the operating system says about the start of the process. It is
	// compared and never parsed.
	Start string `json:"start"`
}

// Self returns the identity of the calling process.
func Self() (Identity, error) { return Of(os.Getpid()) }

// Of returns the identity of the process that has the PID now.
func Of(pid int) (Identity, error) {
	start, running, err := inspect(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	if !running {
		return Identity{}, fmt.Errorf("process %d has ended", pid)
	}
	return Identity{PID: pid, Start: start}, nil
}

// Alive tells whether the process still runs. A zombie counts as ended.
func (i Identity) Alive() bool {
	if i.PID <= 0 || i.Start == "" {
		return false
	}
	start, running, err := inspect(i.PID)
	return err == nil && running && start == i.Start
}

// Signal sends a signal if the process still runs. A process that is gone is no error.
func (i Identity) Signal(sig syscall.Signal) error {
	if !i.Alive() {
		return nil
	}
	if err := syscall.Kill(i.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", sig, i.PID, err)
	}
	return nil
}
