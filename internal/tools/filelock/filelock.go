// Package filelock keeps processes from doing the same thing at the same time.
package filelock

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// again is how often a lock that somebody else has is asked for.
const again = 500 * time.Millisecond

// Acquire waits for the lock in a file and returns what releases it. It is released as
// well when this process ends, in whatever way. If it has to wait it says so, as waiting,
// on out.
func Acquire(ctx context.Context, file string, out io.Writer, waiting string) (func(), error) {
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for said := false; ; said = true {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { lock.Close() }, nil
		}
		if !said {
			fmt.Fprintln(out, waiting)
		}
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, ctx.Err()
		case <-time.After(again):
		}
	}
}
