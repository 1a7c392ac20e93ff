//go:build !linux

package proc

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// inspect asks ps, which every Unix has.
func inspect(pid int) (start string, running bool, err error) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", false, err
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return strings.TrimSpace(start), !strings.HasPrefix(state, "Z"), nil
}

// DieWithParent does nothing here: only Linux ends a child with its parent. After a
// killed supervisor the next "up" or "down" ends the children by their identities.
func DieWithParent(*syscall.SysProcAttr) {}
