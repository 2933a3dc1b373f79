package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program that runs until it is stopped, its output in a log file.
type Process struct {
	Name string
	// Log is the file with the program's output.
	Log string

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the exit; set before exited is closed
}

// Command is what StartProcess runs.
type Command struct {
	Name string // of the log file, without suffix
	Path string
	Args []string
	Env  []string // added to the environment
	Dir  string   // where the log file goes
}

// StartProcess starts a program. The proxies of the caller's environment are hidden from it.
func StartProcess(c Command) (*Process, error) {
	p := &Process{Name: c.Name, Log: filepath.Join(c.Dir, c.Name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "http_proxy=", "https_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=", "KUBECONFIG=")
	p.cmd.Env = append(p.cmd.Env, c.Env...)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the program has ended, for whatever reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop ends the program: it is asked to, and killed when it still runs after the grace period.
// A generic API server lives on for as long as clients hold watches open, up to a minute.
func (p *Process) Stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.Kill()
	}
}

// Kill ends the program at once and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Await calls ready until it returns nil. It fails with the last lines of the log when the program ends before that,
// and with the error of the last call when the context ends.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended (%w); its log ends with:\n%s", p.Name, p.exitError(), p.Tail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (log: %s)", p.Name, err, p.Log)
		case <-tick.C:
		}
	}
}

func (p *Process) exitError() error {
	if p.err != nil {
		return p.err
	}
	return errors.New("exit status 0")
}

// Tail returns the last lines of the log.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := bytes.SplitAfter(text, []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines-1):], nil))
}
