// Package ovn starts and supervises the processes of OVN's central part: a Northbound database, and, if wanted, a
// Southbound database and ovn-northd. The processes are children in the foreground that do not outlive their parent,
// and everything that they read and write is in one directory.
package ovn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// VersionEnv is the environment variable that selects an OVN other than the system's, as "25.03".
const VersionEnv = "OVN"

// Installation is a place where OVN's programs and schemas are.
type Installation struct {
	// Version is as given to Find, "" for the system's.
	Version string
	root    string
	// loader runs programs of another distribution's release with that release's libraries.
	loader []string
}

// Find returns the system's installation for version "", or the one that hack/fetch-ovn.sh has unpacked below the user's
// cache directory ($XDG_CACHE_HOME/northbound/ovn-<version>). It fails when there is none.
func Find(version string) (Installation, error) {
	if version == "" {
		in := Installation{root: "/"}
		if _, err := in.program("ovsdb-server"); err != nil {
			return Installation{}, fmt.Errorf("OVN is not installed (hack/install-deps.sh does): %w", err)
		}
		return in, nil
	}
	if filepath.Base(version) != version {
		return Installation{}, fmt.Errorf("%q is not a version of OVN", version)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Installation{}, err
	}
	in := Installation{Version: version, root: filepath.Join(cache, "northbound", "ovn-"+version)}
	loaders, err := filepath.Glob(filepath.Join(in.root, "usr/lib/*/ld-linux*.so.*"))
	if err != nil || len(loaders) == 0 {
		return Installation{}, fmt.Errorf("OVN %s is not below %s (hack/fetch-ovn.sh unpacks it)", version, in.root)
	}
	in.loader = []string{loaders[0], "--library-path", filepath.Dir(loaders[0])}
	return in, nil
}

// Command returns a command that runs one of OVN's or OVS's programs.
func (in Installation) Command(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	line, err := in.line(program)
	if err != nil {
		return nil, err
	}
	line = append(line, args...)
	return exec.CommandContext(ctx, line[0], line[1:]...), nil
}

// line is the command line that begins with a program.
func (in Installation) line(program string) ([]string, error) {
	path, err := in.program(program)
	if err != nil {
		return nil, err
	}
	if len(in.loader) == 0 {
		return []string{path}, nil
	}
	line := append([]string(nil), in.loader...)
	return append(line, "--argv0", program, path), nil
}

func (in Installation) program(name string) (string, error) {
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/lib/openvswitch-switch"} {
		path := filepath.Join(in.root, dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	if len(in.loader) == 0 {
		return exec.LookPath(name)
	}
	return "", fmt.Errorf("no program %s below %s", name, in.root)
}

// NBSchema is the path of the Northbound database's schema.
func (in Installation) NBSchema() (string, error) { return in.schema("ovn/ovn-nb.ovsschema") }

// SBSchema is the path of the Southbound database's schema.
func (in Installation) SBSchema() (string, error) { return in.schema("ovn/ovn-sb.ovsschema") }

// OVSSchema is the path of the schema of the database of an Open vSwitch.
func (in Installation) OVSSchema() (string, error) { return in.schema("openvswitch/vswitch.ovsschema") }

func (in Installation) schema(name string) (string, error) {
	var err error
	for _, dir := range []string{"usr/share", "usr/local/share"} {
		path := filepath.Join(in.root, dir, name)
		_, missing := os.Stat(path)
		if missing == nil {
			return path, nil
		}
		err = errors.Join(err, missing)
	}
	return "", err
}

// Environment is this process's, and keeps programs of OVN and OVS from looking outside of a directory for what they read and write.
func Environment(dir string) []string {
	env := os.Environ()
	for _, name := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVN_RUNDIR", "OVN_LOGDIR", "OVN_DBDIR", "OVN_SYSCONFDIR"} {
		env = append(env, name+"="+dir)
	}
	return env
}

// run runs a program to its end and returns what it wrote to its standard output; its error has what it complained.
func (in Installation) run(ctx context.Context, env []string, program string, args ...string) (string, error) {
	cmd, err := in.Command(ctx, program, args...)
	if err != nil {
		return "", err
	}
	cmd.Env = env
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(out), fmt.Errorf("%s %q: %w: %s", program, args, err, exit.Stderr)
	}
	return string(out), err
}

// Nbctl runs ovn-nbctl against the database at an address and returns its output. The installation is that of VersionEnv.
func Nbctl(ctx context.Context, address string, args ...string) (string, error) {
	in, err := Find(os.Getenv(VersionEnv))
	if err != nil {
		return "", err
	}
	return in.run(ctx, nil, "ovn-nbctl", append([]string{"--db=" + address, "--no-leader-only", "--no-syslog"}, args...)...)
}
