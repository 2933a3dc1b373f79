package ovntest

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

func TestADaemonIsStartedAgainWhenItCrashesAndOnlyThen(t *testing.T) {
	pids := make(chan int, 10)
	keep := func(script string) *Daemon {
		t.Helper()
		d, err := Keep("sh", func() (*exec.Cmd, error) {
			cmd := exec.Command("sh", "-c", script)
			err := cmd.Start()
			if err == nil {
				pids <- cmd.Process.Pid
			}
			return cmd, err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Kill() })
		return d
	}
	waits := keep("exec sleep 600")
	first := <-pids
	if err := waits.Signal(syscall.SIGABRT); err != nil {
		t.Error(err)
	}
	if second := <-pids; second == first {
		t.Errorf("the successor is %d, too", second)
	}
	if err := waits.Stop(); err != nil {
		t.Error(err)
	}
	if err := keep("exit 1").Stop(); err != nil {
		t.Error(err)
	}
	<-pids
	select {
	case pid := <-pids:
		t.Errorf("%d was started after an end that was no crash", pid)
	default:
	}
	if _, err := Keep("nothing", func() (*exec.Cmd, error) { return nil, errors.New("cannot") }); err == nil {
		t.Error("a daemon that does not start is no error")
	}
}
