package ovn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is the time that a process has to end by itself.
const grace = 5 * time.Second

// logMax is the size at which a log is set aside when its process starts.
const logMax = 16 << 20

// spawner starts processes from one thread that lives as long as they do: the kernel sends Pdeathsig when the thread that
// started the child ends, not the process.
type spawner struct {
	requests chan func()
	ended    chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan func()), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for request := range s.requests {
			request()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	s.requests <- func() { result <- cmd.Start() }
	return <-result
}

func (s *spawner) close() {
	close(s.requests)
	<-s.ended
}

// process is one of the central's processes; it may be started again when it has ended.
type process struct {
	name  string
	line  []string
	dir   string
	env   []string
	ready func(context.Context) error
	nice  int // see setpriority(2)

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // of cmd: closed when it has ended
	outcome error         // of cmd, after exited
	wanted  bool          // nobody asked it to end
}

func (p *process) logFile() string { return filepath.Join(p.dir, p.name+".log") }

// start starts the process and waits until it is ready. died is called when it ends without having been asked to.
func (p *process) start(ctx context.Context, s *spawner, died func(*process, error)) error {
	log, err := openLog(p.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.line[0], p.line[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	exited := make(chan struct{})
	p.mu.Lock()
	if err := s.start(cmd); err != nil {
		p.mu.Unlock()
		return err
	}
	if p.nice != 0 {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, p.nice) // works without it, too
	}
	p.cmd, p.exited, p.wanted = cmd, exited, true
	p.mu.Unlock()
	go p.wait(cmd, exited, died)
	if err := p.awaitReady(ctx, exited); err != nil {
		return errors.Join(err, p.stop())
	}
	return nil
}

func (p *process) wait(cmd *exec.Cmd, exited chan struct{}, died func(*process, error)) {
	err := cmd.Wait()
	if err == nil {
		err = errors.New("exit status 0")
	}
	p.mu.Lock()
	p.outcome = err
	wanted := p.wanted
	close(exited)
	p.mu.Unlock()
	if wanted {
		died(p, fmt.Errorf("%s ended: %w; its log ends with %q", p.name, err, p.logTail()))
	}
}

// awaitReady asks until the process answers: nothing tells when it has opened its socket.
func (p *process) awaitReady(ctx context.Context, exited chan struct{}) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		retry.Reset(pause)
		select {
		case <-exited:
			return fmt.Errorf("%s did not start: %w; its log ends with %q", p.name, p.outcome, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.name, err)
		case <-retry.C:
		}
	}
}

// signal sends a signal to the running process; an error means that it does not run.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s: %w", p.name, os.ErrProcessDone)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// kill ends the process as a crash would, and returns when it is gone.
func (p *process) kill() error { return p.endWith(syscall.SIGKILL) }

// stop ends the process, and returns when it is gone.
func (p *process) stop() error { return p.endWith(syscall.SIGTERM) }

func (p *process) endWith(sig syscall.Signal) error {
	p.mu.Lock()
	p.wanted = false
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	for _, s := range []syscall.Signal{sig, syscall.SIGCONT} { // a paused process takes no SIGTERM
		if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-exited:
		return nil
	case <-timer.C:
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	<-exited
	return nil
}

// pause stops the process's execution, and returns when it has stopped.
func (p *process) pause(ctx context.Context) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
		if err != nil {
			return err
		}
		// The state follows the command name, which is in parentheses; see proc_pid_stat(5).
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "T") {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
		}
	}
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

func (p *process) logTail() string {
	const tail = 1000
	b, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-tail):])
}

func openLog(path string) (*os.File, error) {
	if st, err := os.Stat(path); err == nil && st.Size() > logMax {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}
