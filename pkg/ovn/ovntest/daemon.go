package ovntest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// grace is the time that a daemon has to end by itself.
const grace = 5 * time.Second

// Daemon is a program that runs until it is stopped. One that crashes is started again, as on any node: ovs-ctl(8) runs Open vSwitch
// with --monitor. Tests need that, too: the connection tracker of 3.1's userspace datapath may fail an assertion when a load balancer
// translates (conn_update_state in lib/conntrack.c). The kernel keeps the devices of the switch meanwhile, with their addresses.
type Daemon struct {
	name  string
	start func() (*exec.Cmd, error)
	ended chan struct{} // closed when it has ended for good

	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool // it is not started again
}

// Keep starts a daemon by a function that returns the process it has started. The thread that calls it lives as long as the process, for
// the sake of Pdeathsig.
func Keep(name string, start func() (*exec.Cmd, error)) (*Daemon, error) {
	d := &Daemon{name: name, start: start, ended: make(chan struct{})}
	started := make(chan error, 1)
	go d.run(started)
	return d, <-started
}

// run starts the process, and another one whenever it crashes.
func (d *Daemon) run(started chan<- error) {
	defer close(d.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := d.start()
	d.cmd = cmd // nobody else has d yet
	started <- err
	if err != nil {
		return
	}
	for cmd != nil {
		end := cmd.Wait()
		cmd = d.successor(cmd, end)
	}
}

// successor is the process after one that has ended; nil when there is none.
func (d *Daemon) successor(cmd *exec.Cmd, end error) *exec.Cmd {
	d.mu.Lock()
	defer d.mu.Unlock()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); d.stopped || !ok || !status.Signaled() {
		return nil
	}
	fmt.Fprintf(os.Stderr, "%s ended: %v; it is started again\n", d.name, end) // what it said is in its log
	next, err := d.start()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", d.name, err)
		return nil
	}
	d.cmd = next
	return next
}

// Name is the name of the program.
func (d *Daemon) Name() string { return d.name }

// Pid is that of the process that runs now.
func (d *Daemon) Pid() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cmd.Process.Pid
}

// Signal sends a signal to the process that runs now. It is no error when none runs.
func (d *Daemon) Signal(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return nil
}

// Stop ends the daemon for good, in its own way if it does that soon, and returns when it is gone.
func (d *Daemon) Stop() error {
	err := d.end(syscall.SIGTERM)
	select {
	case <-d.ended:
		return err
	case <-time.After(grace):
	}
	return errors.Join(err, d.Kill())
}

// Kill ends the daemon for good, without letting it do anything more, and returns when it is gone.
func (d *Daemon) Kill() error {
	err := d.end(syscall.SIGKILL)
	<-d.ended
	return err
}

func (d *Daemon) end(sig syscall.Signal) error {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	return d.Signal(sig)
}
