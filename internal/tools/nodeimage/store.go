package nodeimage

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// store is the folder that holds what the steps of a build made. A result is a folder
// called after the step and the hash of all it is made of, and it appears whole: it is
// made under another name and renamed.
type store struct {
	dir string
	out io.Writer
}

// unfinished ends the name of a result that is being made.
const unfinished = ".unfinished"

// make returns the folder with the step's result, which make fills if it is not there.
// Earlier results of the step are removed.
func (s store) make(ctx context.Context, name, key, does string, fill func(ctx context.Context, dir string) error) (string, error) {
	result := filepath.Join(s.dir, name+"-"+key)
	if _, err := os.Stat(result); err == nil {
		s.cached(does)
		return result, nil
	}
	err := s.timed(does, func() error {
		if err := s.discard(name); err != nil {
			return err
		}
		dir := result + unfinished
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := fill(ctx, dir); err != nil {
			return err
		}
		return os.Rename(dir, result)
	})
	return result, err
}

// discard removes whatever the step left before: old results and unfinished ones.
func (s store) discard(name string) error {
	found, err := filepath.Glob(filepath.Join(s.dir, name+"-*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		if err := remove(path); err != nil {
			return err
		}
	}
	return nil
}

// scratch returns an empty folder for what nobody needs after the build, which kind and
// the engine leave to whoever called them.
func (s store) scratch() (string, error) {
	dir := filepath.Join(s.dir, "build")
	if err := remove(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// remove removes a folder, but nothing through what is mounted in it: an interrupted
// debootstrap may have left this machine's /proc there.
func remove(path string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, point := range mountedBelow(path, string(mounts)) {
		if err := syscall.Unmount(point, 0); err != nil {
			return fmt.Errorf("%s is still mounted, and %s cannot be removed: %w", point, path, err)
		}
	}
	return os.RemoveAll(path)
}

// mountedBelow returns the mount points in a folder, those mounted last first.
func mountedBelow(path, mountinfo string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		if point == path || strings.HasPrefix(point, path+"/") {
			points = append([]string{point}, points...)
		}
	}
	return points
}

// unescape undoes how the kernel writes what separates words.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// timed says what is done, and afterwards how long it took.
func (s store) timed(does string, do func() error) error {
	begun := time.Now()
	fmt.Fprintf(s.out, "%s …\n", does)
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", does, err)
	}
	fmt.Fprintf(s.out, "%s: %s\n", does, time.Since(begun).Round(100*time.Millisecond))
	return nil
}

func (s store) cached(does string) { fmt.Fprintf(s.out, "%s: cached\n", does) }
