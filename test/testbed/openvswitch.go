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
	"syscall"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// openVSwitch is an ovsdb-server and an ovs-vswitchd in a namespace, and perhaps further daemons beside them.
type openVSwitch struct {
	namespace *Namespace
	programs  ovn.Installation
	dir       string // of all its files
	daemons   []*ovntest.Daemon
}

const vswitchd = "ovs-vswitchd"

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
	d, err := ovntest.Keep(program, func() (*exec.Cmd, error) {
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
		cmd.Env = ovn.Environment(s.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal is for the tests, which stop it
		return cmd, s.namespace.Do(cmd.Start)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	s.daemons = append(s.daemons, d)
	return nil
}

// crash ends the switch itself as a failed assertion would, and returns when its successor has been started.
func (s *openVSwitch) crash(ctx context.Context) error {
	d := s.daemons[slices.IndexFunc(s.daemons, func(d *ovntest.Daemon) bool { return d.Name() == vswitchd })]
	before := d.Pid()
	if err := d.Signal(syscall.SIGABRT); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		if d.Pid() == before {
			return fmt.Errorf("%s %d still runs", vswitchd, before)
		}
		return nil
	})
}

// stop ends all daemons, the last one first, and returns when they are gone.
func (s *openVSwitch) stop() error {
	var errs []error
	for len(s.daemons) > 0 {
		last := len(s.daemons) - 1
		errs = append(errs, s.daemons[last].Stop())
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
