package filelock

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAcquire(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lock")
	release, err := Acquire(t.Context(), file, io.Discard, "")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var said strings.Builder
	if _, err := Acquire(short, file, &said, "somebody is at work"); err == nil {
		t.Fatal("two have the lock")
	}
	if !strings.Contains(said.String(), "somebody is at work") {
		t.Errorf("it waited and said %q", said.String())
	}
	release()
	release, err = Acquire(t.Context(), file, io.Discard, "")
	if err != nil {
		t.Fatal(err)
	}
	release()
}
