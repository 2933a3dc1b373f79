package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// first is a first process of new namespaces: this program in a role. It goes on when this process ends. What it is
// told goes to its standard input, what it says comes from its descriptor 3; its output goes to a log.
type first struct {
	pid  int
	tell *os.File
	said *bufio.Reader
	log  string
	end  chan error
}

func (l *lab) start(where string, flags uintptr, args ...string) (*first, error) {
	if err := os.MkdirAll(l.logs(), 0o755); err != nil {
		return nil, err
	}
	f := &first{log: filepath.Join(l.logs(), where+".log"), end: make(chan error, 1)}
	log, err := os.Create(f.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	stdin, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = stdin.Close() }()
	said, ready, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = ready.Close() }()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, append([]string{"-name", l.name}, args...)...)
	c.Stdin, c.Stdout, c.Stderr = stdin, log, log
	c.ExtraFiles = []*os.File{ready}
	c.Dir = "/"
	c.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + os.Getenv("HOME"),
		labVariable + "=" + l.name + "/" + where, labVariable + "_NODES=" + strconv.Itoa(l.nodes),
		"XDG_CACHE_HOME=" + os.Getenv("XDG_CACHE_HOME"), "NORTHBOUND_CLUSTER_PROGRAMS=" + l.programs,
	}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", where, err)
	}
	f.pid, f.tell, f.said = c.Process.Pid, tell, bufio.NewReader(said)
	go func() { f.end <- c.Wait() }()
	return f, nil
}

// await returns when the process has said a line.
func (f *first) await(timeout time.Duration) error {
	line := make(chan error, 1)
	go func() {
		_, err := f.said.ReadString('\n')
		line <- err
	}()
	var err error
	select {
	case err = <-line:
		if err == nil {
			return nil
		}
	case err = <-f.end:
	case <-time.After(timeout):
		err = fmt.Errorf("nothing within %v", timeout)
	}
	text, _ := os.ReadFile(f.log)
	lines := bytes.SplitAfter(text, []byte("\n"))
	return fmt.Errorf("%w; %s ends with:\n%s", err, f.log, bytes.Join(lines[max(0, len(lines)-8):], nil))
}

// process is a process of the cluster as /proc shows it.
type process struct {
	pid   int
	where string // cp, node1, ...
	inner int    // its id in the innermost namespace
}

// processes are those that carry the cluster's name in their environment: first processes and what they started, but not
// what runs in containers. Those end with their node's first process.
func (l *lab) processes() ([]process, error) {
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, file := range environments {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		for v := range strings.SplitSeq(string(text), "\x00") {
			where, ok := strings.CutPrefix(v, labVariable+"="+l.name+"/")
			if !ok {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			all = append(all, process{pid: pid, where: where, inner: innermost(pid)})
		}
	}
	return all, nil
}

// innermost is a process's id in the innermost namespace that it is in, 0 when it has ended.
func innermost(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			inner, _ := strconv.Atoi(fields[len(fields)-1])
			return inner
		}
	}
	return 0
}

// firstOf is the first process of a node.
func (l *lab) firstOf(where string) (int, error) {
	all, err := l.processes()
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(all, func(p process) bool { return p.where == where && p.inner == 1 })
	if i < 0 {
		return 0, fmt.Errorf("%s of cluster %q is not running", where, l.name)
	}
	return all[i].pid, nil
}

// inNetwork are the processes in a network namespace, which may have been brought there by "exec".
func inNetwork(namespace string) []int {
	want, err := os.Stat(namespaceFile(namespace))
	if err != nil {
		return nil
	}
	files, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	var pids []int
	for _, f := range files {
		if have, err := os.Stat(f); err == nil && os.SameFile(want, have) {
			pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends processes and returns when they are gone.
func kill(list func() ([]int, error)) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids, err := list()
		if err != nil {
			return err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() })
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", pids)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
