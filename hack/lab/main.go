// Command lab runs a Kubernetes cluster on one machine, with Northbound as its network, for development and tests: a control
// plane and nodes, each in namespaces of its own. See README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

const usage = `usage: lab [-name NAME] COMMAND
  up [-nodes N] [-bare]     a new cluster, after the removal of what an earlier one left; -bare: without a network
  down                      removes it, whatever state it is in
  kubectl ARGS...           as the cluster's administrator
  exec cp|node<N> CMD...    in the namespaces of the control plane (with KUBECONFIG) or of a node
`

func main() {
	name := flag.String("name", "nb", "name of the cluster, at most 8 letters and digits; clusters of different names run side by side")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage); flag.PrintDefaults() }
	flag.Parse()
	err := run(*name, flag.Args())
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	l, err := newLab(name)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		flag.Usage()
		return errors.New("which command?")
	}
	command, args := args[0], args[1:]
	switch command {
	case "up":
		flags := flag.NewFlagSet("up", flag.ContinueOnError)
		flags.IntVar(&l.nodes, "nodes", 2, "number of nodes, 1 to 9")
		bare := flags.Bool("bare", false, "install no network: the nodes register and stay not ready")
		if err := flags.Parse(args); err != nil {
			return err
		}
		if err := l.up(!*bare); err != nil {
			return errors.Join(fmt.Errorf("%w\nlogs are in %s; \"lab -name %s down\" removes the rest", err, l.logs(), l.name))
		}
		return nil
	case "down":
		return l.down()
	case "kubectl":
		return l.kubectl(args...).Run()
	case "exec":
		if len(args) < 2 {
			return errors.New("exec: where, and what?")
		}
		return l.exec(args[0], args[1:])
	// What "up" starts, as first processes of their namespaces.
	case roleControlPlane:
		if l.nodes, err = strconv.Atoi(os.Getenv(labVariable + "_NODES")); err != nil {
			return err
		}
		return l.runControlPlane()
	case roleNode:
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return l.runNode(n)
	}
	return fmt.Errorf("there is no command %q", command)
}

// exec replaces this process by the command.
func (l *lab) exec(where string, command []string) error {
	args, err := l.enter(where)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, append(args, command...), l.environment())
}
