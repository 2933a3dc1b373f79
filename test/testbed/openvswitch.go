package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// openVSwitch is an ovsdb-server and an ovs-vswitchd in a namespace, and perhaps further daemons beside them.
type openVSwitch struct {
	namespace *Namespace
	programs  ovn.Installation
	dir       string // of all its files
	daemons   []*daemon
}

const vswitchd = "ovs-vswitchd"

// daemon is a program that runs as long as the switch does. One that crashes is started again, as on any node (ovs-ctl(8) runs it with
// --monitor): the connection tracker of 3.1's userspace datapath may fail an assertion when a load balancer translates
// (conn_update_state in lib/conntrack.c). The kernel keeps the interfaces of the switch meanwhile, with their addresses.
type daemon struct {
	name  string
	start func() (*exec.Cmd, error)
	ended chan struct{} // closed when it has ended for good

	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool // it is not started again
}

// startOpenVSwitch returns when the switch takes orders.
func startOpenVSwitch(ctx context.Context, in *Namespace, programs ovn.Installation, dir string) (*openVSwitch, error) {
	s := &openVSwitch{namespace: in, programs: programs, dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *openVSwitch) start(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	schema, err := s.programs.OVSSchema()
	if err != nil {
		return err
	}
	database := filepath.Join(s.dir, "conf.db")
	create, err := s.programs.Command(ctx, "ovsdb-tool", "create", database, schema)
	if err != nil {
		return err
	}
	if err := s.namespace.Run(create); err != nil {
		return err
	}
	if err := s.daemon("ovsdb-server", database, "--remote=p"+s.address(), "--unixctl="+filepath.Join(s.dir, "ovsdb-server.ctl")); err != nil {
		return err
	}
	answers := func() error {
		session, err := ovsdb.Dial(ctx, ovsdb.Options{Addresses: []string{s.address()}, Database: "Open_vSwitch"})
		if err == nil {
			session.Close()
		}
		return err
	}
	if err := eventually(ctx, answers); err != nil {
		return err
	}
	if err := s.vsctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	return s.daemon(vswitchd, s.address(), "--disable-system", "--unixctl="+filepath.Join(s.dir, "ovs-vswitchd.ctl"))
}

func (s *openVSwitch) address() string { return "unix:" + filepath.Join(s.dir, "db.sock") }

// daemon starts a program that runs as long as the switch does.
func (s *openVSwitch) daemon(program string, args ...string) error {
	args = append(args, "--no-chdir", "--pidfile="+filepath.Join(s.dir, program+".pid"), "-vconsole:info", "-vsyslog:off", "-vfile:off")
	d := &daemon{name: program, ended: make(chan struct{})}
	d.start = func() (*exec.Cmd, error) {
		cmd, err := s.programs.Command(context.Background(), program, args...)
		if err != nil {
			return nil, err
		}
		log, err := os.OpenFile(filepath.Join(s.dir, program+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
		cmd.Env = os.Environ()
		for _, name := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVN_RUNDIR", "OVN_LOGDIR", "OVN_DBDIR", "OVN_SYSCONFDIR"} {
			cmd.Env = append(cmd.Env, name+"="+s.dir)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal is for the tests, which stop it
		return cmd, s.namespace.Do(cmd.Start)
	}
	var err error
	if d.cmd, err = d.start(); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	go d.keepRunning(d.cmd)
	s.daemons = append(s.daemons, d)
	return nil
}

// keepRunning waits for the process, and starts another one for as long as they crash.
func (d *daemon) keepRunning(cmd *exec.Cmd) {
	defer close(d.ended)
	for {
		end := cmd.Wait() // what it said is in its log
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		d.mu.Lock()
		if again := !d.stopped && ok && status.Signaled(); !again {
			d.mu.Unlock()
			return
		}
		fmt.Fprintf(os.Stderr, "testbed: %s ended: %v; it is started again\n", d.name, end)
		var err error
		if cmd, err = d.start(); err != nil {
			d.mu.Unlock()
			fmt.Fprintf(os.Stderr, "testbed: %s: %v\n", d.name, err)
			return
		}
		d.cmd = cmd
		d.mu.Unlock()
	}
}

// signal sends a signal to the process that runs now.
func (d *daemon) signal(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (d *daemon) pid() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cmd.Process.Pid
}

// stop ends the daemon for good, and returns when it is gone.
func (d *daemon) stop() error {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	err := d.signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(5 * time.Second):
		err = errors.Join(err, d.signal(syscall.SIGKILL))
		<-d.ended
	}
	return err
}

// crash ends the switch itself as a failed assertion would, and returns when its successor has been started.
func (s *openVSwitch) crash(ctx context.Context) error {
	d := s.daemons[slices.IndexFunc(s.daemons, func(d *daemon) bool { return d.name == vswitchd })]
	before := d.pid()
	if err := d.signal(syscall.SIGABRT); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		if d.pid() == before {
			return fmt.Errorf("%s %d still runs", d.name, before)
		}
		return nil
	})
}

// stop ends all daemons, the last one first, and returns when they are gone.
func (s *openVSwitch) stop() error {
	var errs []error
	for len(s.daemons) > 0 {
		last := len(s.daemons) - 1
		errs = append(errs, s.daemons[last].stop())
		s.daemons = s.daemons[:last]
	}
	return errors.Join(errs...)
}

// vsctl runs ovs-vsctl, which returns when the switch has done what it is told.
func (s *openVSwitch) vsctl(ctx context.Context, args ...string) error {
	_, err := s.vsctlOutput(ctx, args...)
	return err
}

func (s *openVSwitch) vsctlOutput(ctx context.Context, args ...string) (string, error) {
	patience := fmt.Sprintf("--timeout=%d", int(Patience.Seconds()))
	cmd, err := s.programs.Command(ctx, "ovs-vsctl", append([]string{"--db=" + s.address(), "--no-syslog", patience}, args...)...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ovs-vsctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
