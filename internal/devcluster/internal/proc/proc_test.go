package proc

import (
	"os/exec"
	"syscall"
	"testing"
)

func TestIdentityOfRunningProcess(t *testing.T) {
	t.Parallel()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("the test itself is said to have ended")
	}
	recycled := Identity{PID: self.PID, Start: self.Start + "0"}
	if recycled.Alive() {
		t.Error("a process with another start is taken for the same")
	}
	// Signal 15 would end the test if the start were not compared.
	if err := recycled.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if (Identity{}).Alive() {
		t.Error("the zero identity is alive")
	}
}

func TestIdentityEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !id.Alive() {
		t.Error("a running process is not alive")
	}
	if err := id.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Error("an ended process is alive")
	}
	if err := id.Signal(syscall.SIGKILL); err != nil {
		t.Error("a signal to an ended process:", err)
	}
	_ = in.Close()
}
