package engine

import (
	"os/exec"
	"syscall"
)

// dieWithUs makes the kernel kill a command when this process is killed: what goes on
// alone would write into what the next run makes anew.
func dieWithUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
