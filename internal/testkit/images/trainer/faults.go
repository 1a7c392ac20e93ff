package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// chunk is how much memory is taken, or written, at a time.
const chunk = 4 << 20

// misbehave does what the faults ask for.
func (t *training) misbehave(ctx context.Context) error {
	if t.o.allocate > 0 {
		t.say("allocating %d MiB", t.o.allocate>>20)
		taken := take(t.o.allocate)
		defer runtime.KeepAlive(taken)
	}
	if t.o.fill != "" {
		if err := fill(t.o.fill, t.o.fillSize); err != nil {
			return err
		}
	}
	if t.o.hang {
		t.say("epoch %d hangs", t.epoch+1)
		<-ctx.Done()
		return ctx.Err()
	}
	if t.o.exit != 0 {
		return exitError(t.o.exit)
	}
	return nil
}

// take takes memory and touches it, so that it is really used.
func take(n int64) [][]byte {
	page := os.Getpagesize()
	var taken [][]byte
	for ; n > 0; n -= chunk {
		b := make([]byte, chunk)
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		taken = append(taken, b)
	}
	return taken
}

// fill writes n bytes into a folder, or fewer when nothing more fits.
func fill(dir string, n int64) error {
	f, err := os.Create(filepath.Join(dir, "shard-0.bin"))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, chunk)
	for written := int64(0); written < n; written += chunk {
		if _, err := f.Write(block); err != nil {
			return fmt.Errorf("cannot save after %d MiB: %w", written>>20, err)
		}
	}
	return f.Close()
}
