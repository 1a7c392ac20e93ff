package proc

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// startField is the place of starttime in /proc/<pid>/stat, counted after the
// command name's closing parenthesis (field 22 of proc_pid_stat(5)).
const startField = 22 - 3

// inspect reads start and state from /proc. The boot identity is part of the start,
// because start times count from boot.
func inspect(pid int) (start string, running bool, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	ticks, state, err := parseStat(string(raw))
	if err != nil {
		return "", false, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false, err
	}
	return strings.TrimSpace(string(boot)) + "/" + ticks, state != "Z" && state != "X", nil
}

// parseStat takes start ticks and state out of a stat line. The command name may
// hold spaces and parentheses, so counting begins after the last one.
func parseStat(line string) (ticks, state string, err error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return "", "", fmt.Errorf("no command name in %q", line)
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) <= startField {
		return "", "", fmt.Errorf("only %d fields in %q", len(fields), line)
	}
	return fields[startField], fields[0], nil
}

// DieWithParent makes the kernel kill the child when the thread that started it ends,
// so that a killed supervisor leaves nothing behind. Start such children from one
// goroutine that is locked to its thread for the life of the program.
func DieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
