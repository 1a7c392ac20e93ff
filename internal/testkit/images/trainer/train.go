package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// exitError ends the program with a code it was asked for.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("asked to exit with %d", int(e)) }

// training is one run of the program.
type training struct {
	o       options
	log     io.Writer
	results string

	// epoch is the last one that is done.
	epoch int
	// from is the checkpoint the run resumed from, newest the last one written.
	from, newest string
}

func (t *training) say(format string, a ...any) {
	fmt.Fprintf(t.log, "[rank %d] "+format+"\n", append([]any{t.o.rank}, a...)...)
}

// traceback says how the program failed, in the form people know from Python.
func (t *training) traceback(err error) {
	fmt.Fprintf(t.log, "Traceback (most recent call last):\n  File \"train.py\", line 42, in main\nRuntimeError: %v\n", err)
}

// run trains from the newest checkpoint to the last epoch.
func (t *training) run(ctx context.Context) error {
	t.say("%d GPUs: %s", len(t.o.gpus), strings.Join(t.o.gpus, ","))
	if t.o.processes > 1 && t.o.processes > len(t.o.gpus) {
		return fmt.Errorf("CUDA error: invalid device ordinal: %d processes, %d GPUs", t.o.processes, len(t.o.gpus))
	}
	if t.o.data != "" {
		if _, err := os.ReadDir(t.o.data); err != nil {
			return fmt.Errorf("no such data set: %w", err)
		}
	}
	if err := t.resume(); err != nil {
		return err
	}
	peers, err := meet(ctx, t.o, t.say)
	if err != nil {
		return err
	}
	defer peers.Close()
	stop := context.AfterFunc(ctx, func() { peers.Close() })
	defer stop()
	if err := t.loop(ctx, peers); err != nil {
		if ctx.Err() != nil {
			// What is done is not lost.
			return errors.Join(ctx.Err(), t.save())
		}
		return err
	}
	if t.o.rank == 0 {
		return t.tell()
	}
	return nil
}

// loop trains epoch by epoch; after each one all ranks exchange what they have,
// so that none goes on without the others.
func (t *training) loop(ctx context.Context, peers *gang) error {
	// All begin where rank 0 does, which wrote the checkpoint.
	mine := 0
	if t.o.rank == 0 {
		mine = t.epoch
	}
	begin, err := peers.sum(mine)
	if err != nil {
		return err
	}
	t.epoch = begin
	for {
		if t.epoch == t.o.at && (t.o.faulty < 0 || t.o.faulty == t.o.rank) {
			if err := t.misbehave(ctx); err != nil {
				return err
			}
		}
		if t.epoch >= t.o.epochs {
			return nil
		}
		select {
		case <-time.After(t.o.epochTime):
		case <-ctx.Done():
			return ctx.Err()
		}
		ranks, err := peers.sum(1)
		if err != nil {
			return err
		}
		if ranks != peers.world {
			return fmt.Errorf("%d of %d ranks took part in epoch %d", ranks, peers.world, t.epoch+1)
		}
		t.epoch++
		if t.epoch%t.o.every == 0 || t.epoch == t.o.epochs {
			if err := t.save(); err != nil {
				return err
			}
			t.say("epoch %d/%d accuracy %s", t.epoch, t.o.epochs, accuracy(t.epoch))
		}
	}
}

// accuracy is a learning curve that gets flat: 0.93 after 90 epochs.
func accuracy(epoch int) string {
	const best, slowness = 0.95, 23.3
	return strconv.FormatFloat(best*(1-math.Exp(-float64(epoch)/slowness)), 'f', 2, 64)
}

// tell writes the result to where Kubernetes reads it: strings, as people do it.
func (t *training) tell() error {
	result := map[string]string{"accuracy": accuracy(t.epoch)}
	if t.newest != "" {
		result["checkpoint"] = t.newest
	}
	if t.o.report {
		result["gpus"] = strconv.Itoa(len(t.o.gpus))
		result["ranks"] = strconv.Itoa(t.o.world)
		result["resumed_from"] = t.from
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	t.say("done: %s", raw)
	return os.WriteFile(t.results, raw, 0o600)
}
