package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ovnPackages are the packages whose programs and schemas make the image of OVN.
var ovnPackages = []string{"ovn-central", "ovn-common", "ovn-host", "openvswitch-switch", "openvswitch-common"}

// ovnLayer holds the programs of OVN and Open vSwitch with the libraries that they load, and the schemas of the databases.
// The packages' scripts stay away: they start services in ways that are not a container's.
func ovnLayer() (layer, error) {
	l := layer{}
	for _, p := range ovnPackages {
		files, err := output("dpkg", "-L", p)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w (make deps)", p, err)
		}
		for _, f := range files {
			switch {
			case strings.HasSuffix(f, ".ovsschema"):
				l[inImage(f)] = entry{source: f}
			case strings.Contains(filepath.Dir(f), "bin") || strings.HasPrefix(f, "/usr/lib/openvswitch"):
				if err := l.addProgram(f); err != nil {
					return nil, err
				}
			}
		}
	}
	// An alternative, which no package lists: the link is the administrator's.
	return l, l.addProgram("/usr/sbin/ovs-vswitchd")
}

// toolsLayer holds programs that Kubernetes' tests call in pods, as they are installed here. They take the places of busybox's, whose
// shell would also call its own before those in PATH.
func toolsLayer() (layer, error) {
	l := layer{}
	for _, f := range []string{"/usr/bin/curl", "/usr/bin/dig", "/usr/bin/getent", "/usr/bin/wget", "/bin/nc.openbsd", "/bin/dash"} {
		if err := l.addProgram(f); err != nil {
			return nil, fmt.Errorf("%w (packages curl, wget, bind9-dnsutils, netcat-openbsd)", err)
		}
	}
	l["bin/nc"] = entry{target: "/bin/nc.openbsd"}
	l["bin/sh"] = entry{target: "/bin/dash"}
	return l, nil
}

// addProgram adds an executable file of this machine, at its own path, and the libraries that it loads. Other files it skips.
func (l layer) addProgram(file string) error {
	source, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	e, err := elf.Open(source)
	if err != nil {
		return nil // a script, a folder
	}
	_ = e.Close()
	l[inImage(file)] = entry{source: source}
	lines, err := output("ldd", source)
	if err != nil {
		return fmt.Errorf("libraries of %s: %w", file, err)
	}
	for _, line := range lines {
		// "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", and the loader without an arrow.
		for field := range strings.FieldsSeq(line) {
			if strings.HasPrefix(field, "/") {
				l[inImage(field)] = entry{source: field}
			}
		}
	}
	return nil
}

// inImage is the path of a file in the image, where no folder is a link as /lib and /sbin are on Debian: a layer with
// both a link and a folder of one name cannot be unpacked, and the loader is asked for by /lib64.
func inImage(file string) string { return strings.TrimPrefix(file, "/") }

// broken are applets that crash in Debian's static busybox, whatever they are asked to do.
var broken = []string{"wget"}

// busyboxLayer is a static shell with everything that it can be called as, and that works.
func busyboxLayer() (layer, error) {
	file, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("%w (package busybox-static; make deps)", err)
	}
	if e, err := elf.Open(file); err != nil {
		return nil, err
	} else if libraries, err := e.ImportedLibraries(); err != nil || len(libraries) > 0 {
		return nil, fmt.Errorf("%s is not static: install the package busybox-static", file)
	}
	applets, err := output(file, "--list")
	if err != nil {
		return nil, err
	}
	l := layer{"bin/busybox": {source: file}}
	for _, a := range applets {
		if a != "busybox" && !slices.Contains(broken, a) {
			l["bin/"+a] = entry{target: "/bin/busybox"}
		}
	}
	return l, nil
}

// output runs a command and returns the lines that it writes.
func output(command string, args ...string) ([]string, error) {
	c := exec.Command(command, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = append(os.Environ(), "LC_ALL=C")
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.Split(strings.TrimSpace(stdout.String()), "\n"), nil
}
