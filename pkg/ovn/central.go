package ovn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Names of the databases.
const (
	NorthboundDatabase = "OVN_Northbound"
	SouthboundDatabase = "OVN_Southbound"
)

// Config says what to start.
type Config struct {
	// Dir holds everything: databases, sockets, logs and pidfiles. It is created when missing. Its path must be short,
	// a socket's path has at most 107 bytes. Only one Central can use it at a time.
	Dir string
	// Clustered creates the Northbound database, when it is missing, as a member of a cluster: of a new one, or of
	// that of which Join names members (their RaftAddress).
	Clustered bool
	Join      []string
	// Northd adds a Southbound database and ovn-northd.
	Northd bool
	// Supervise restarts processes that die.
	Supervise bool
	// Prefix is put before each command line, as {"ip", "netns", "exec", "name"}. It must end in an exec.
	Prefix []string
	// NBArgs and SBArgs are added to the command lines of the database servers, as "--remote=ptcp:6641:127.0.0.1".
	NBArgs, SBArgs []string
	// Installation is by default that of the environment variable OVN (VersionEnv).
	Installation Installation
	// StartTimeout bounds the start of each process; 30 s by default, for large databases.
	StartTimeout time.Duration
}

// Central is a running Northbound database, and perhaps a Southbound database and ovn-northd.
type Central struct {
	config    Config
	env       []string
	logger    klog.Logger
	spawner   *spawner
	lock      *os.File
	processes []*process // in the order of their start; the first is the Northbound database

	ctx    context.Context // ends when Stop begins
	cancel context.CancelFunc
	stopMu sync.Mutex     // keeps restarts from beginning while Stop waits for them
	work   sync.WaitGroup // restarts

	stop    sync.Once
	stopErr error
	lost    sync.Once
	done    chan struct{}
	err     error // why, before done is closed
}

// Start creates the databases that are missing, starts the processes and waits until they answer. When it fails nothing
// is left running. The context bounds starting; its logger serves later, too.
func Start(ctx context.Context, config Config) (*Central, error) {
	if config.StartTimeout <= 0 {
		config.StartTimeout = 30 * time.Second
	}
	if config.Installation.root == "" {
		in, err := Find(os.Getenv(VersionEnv))
		if err != nil {
			return nil, err
		}
		config.Installation = in
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	if _, err := ovsdb.ParseAddresses("unix:" + filepath.Join(dir, "northd.sock")); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	c := &Central{config: config, logger: klog.FromContext(ctx), done: make(chan struct{}), spawner: newSpawner(), lock: lock}
	c.env = c.environment()
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := c.startAll(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// lockDir keeps a second Central out of the directory: it would talk to the processes of the first. The lock ends with
// the file's closing, or with the process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("directory %s is in use by another process: %w", dir, err)
	}
	return f, nil
}

// environment is that of the central's processes.
func (c *Central) environment() []string {
	env := Environment(c.config.Dir)
	if os.Getenv(tunables) == "" {
		env = append(env, tunables+"="+allocation)
	}
	return env
}

// A quarter of ovsdb-server's time under load is glibc's allocator: transactions are many small pieces, made and freed at once.
// With larger caches for each thread, and without returning memory to the kernel that the next transaction needs again, it
// does a fifth more of them. See mallopt(3) and "Memory Allocation Tunables" in the manual of glibc.
const (
	tunables   = "GLIBC_TUNABLES"
	allocation = "glibc.malloc.tcache_count=4096:glibc.malloc.mxfast=0:glibc.malloc.trim_threshold=268435456:glibc.malloc.top_pad=67108864"
)

// realizationNice lets the Northbound database and whoever waits for it go first where processors are few: ovn-northd and the
// Southbound database follow every change, before 25.03 by computing everything anew, and nobody waits for them.
const realizationNice = 10

// northdBackoff is the most milliseconds that ovn-northd may stay idle after it has computed; it never stays idle for longer than
// it computed. So it takes at most half a processor while many changes come in, and handles them in groups. Versions before 23.09
// do not know the option. See ovn-nb(5).
const northdBackoff = "100"

func (c *Central) startAll(ctx context.Context) error {
	in := c.config.Installation
	nbSchema, err := in.NBSchema()
	if err != nil {
		return err
	}
	nb := database{name: "nb", title: NorthboundDatabase, schema: nbSchema, args: c.config.NBArgs, clustered: c.config.Clustered}
	if err := c.startDatabase(ctx, nb); err != nil || !c.config.Northd {
		return err
	}
	sbSchema, err := in.SBSchema()
	if err != nil {
		return err
	}
	sb := database{name: "sb", title: SouthboundDatabase, schema: sbSchema, args: c.config.SBArgs, nice: realizationNice}
	if err := c.startDatabase(ctx, sb); err != nil {
		return err
	}
	return c.startNorthd(ctx)
}

func (c *Central) startNorthd(ctx context.Context) error {
	p, err := c.process("northd", "ovn-northd", "--ovnnb-db="+c.NBAddress(), "--ovnsb-db="+c.SBAddress())
	if err != nil {
		return err
	}
	// It has begun to work when it has made the row that every Southbound database has.
	p.ready = func(ctx context.Context) error { return c.awaitNorthd(ctx) }
	p.nice = realizationNice
	return c.start(ctx, p)
}

// awaitNorthd waits until ovn-northd works, which it does when both databases have the row that every one has, and makes it group
// its work unless somebody has decided on that before.
func (c *Central) awaitNorthd(ctx context.Context) error {
	sb, _, err := awaitRow(ctx, c.SBAddress(), SouthboundDatabase, "SB_Global")
	if err != nil {
		return err
	}
	sb.Close()
	nb, global, err := awaitRow(ctx, c.NBAddress(), NorthboundDatabase, "NB_Global")
	if err != nil {
		return err
	}
	defer nb.Close()
	t := ovsdb.NewTxn(NorthboundDatabase)
	// An insertion into a map leaves the keys that it has as they are.
	t.Mutate("NB_Global", global, "options", "insert", ovsdb.Map(map[string]string{"northd-backoff-interval-ms": northdBackoff}))
	_, err = ovsdb.Transact(ctx, nb, t)
	return err
}

// process describes a daemon in the foreground: its files are in the directory, its log is what it writes to stderr.
func (c *Central) process(name, program string, args ...string) (*process, error) {
	line, err := c.config.Installation.line(program)
	if err != nil {
		return nil, err
	}
	line = append(append([]string(nil), c.config.Prefix...), line...)
	line = append(line, "--no-chdir", "--pidfile="+c.path(name+".pid"), "--unixctl="+c.path(name+".ctl"),
		"-vconsole:info", "-vsyslog:off", "-vfile:off")
	return &process{name: name, line: append(line, args...), dir: c.config.Dir, env: c.env}, nil
}

func (c *Central) start(ctx context.Context, p *process) error {
	c.processes = append(c.processes, p)
	return c.startAgain(ctx, p)
}

func (c *Central) startAgain(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.StartTimeout)
	defer cancel()
	return p.start(ctx, c.spawner, c.died)
}

func (c *Central) path(name string) string { return filepath.Join(c.config.Dir, name) }

// NBAddress is the address of the Northbound database.
func (c *Central) NBAddress() string { return "unix:" + c.path("nb.sock") }

// SBAddress is the address of the Southbound database.
func (c *Central) SBAddress() string { return "unix:" + c.path("sb.sock") }

// RaftAddress is the address at which other members of a clustered Northbound database reach this one.
func (c *Central) RaftAddress() string { return "unix:" + c.path("nb.raft") }

// Done is closed when a process died that is not restarted, and by Stop.
func (c *Central) Done() <-chan struct{} { return c.done }

// Err returns why Done was closed: nil as long as it is not, and when it was by Stop.
func (c *Central) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop ends all processes, in the reverse order of their start, and returns when they are gone. All later calls return
// the result of the first.
func (c *Central) Stop() error {
	c.stop.Do(func() {
		c.stopMu.Lock()
		c.cancel()
		c.stopMu.Unlock()
		c.work.Wait()
		for i := len(c.processes) - 1; i >= 0; i-- {
			c.stopErr = errors.Join(c.stopErr, c.processes[i].stop())
		}
		c.spawner.close()
		c.stopErr = errors.Join(c.stopErr, c.lock.Close())
		c.finish(nil)
	})
	return c.stopErr
}

func (c *Central) finish(err error) {
	c.lost.Do(func() {
		c.err = err
		close(c.done)
	})
}

const (
	restartMin = 100 * time.Millisecond
	restartMax = 10 * time.Second
)

// died is called for a process that ended by itself.
func (c *Central) died(p *process, err error) {
	if !c.config.Supervise {
		c.finish(err)
		return
	}
	c.stopMu.Lock()
	defer c.stopMu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.work.Go(func() { c.restart(p, err) })
}

// restart starts a process again, with pauses that grow as long as that fails.
func (c *Central) restart(p *process, err error) {
	for pause := restartMin; ; pause = min(2*pause, restartMax) {
		c.logger.Error(err, "Restarting an OVN process", "process", p.name, "after", pause)
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(pause):
		}
		if err = c.startAgain(c.ctx, p); err == nil || c.ctx.Err() != nil {
			return
		}
	}
}

func (c *Central) nb() *process { return c.processes[0] }

// KillNB ends the Northbound database as a crash would, and returns when the process is gone. It is not restarted.
func (c *Central) KillNB() error { return c.nb().kill() }

// RestartNB starts the Northbound database again, and waits until it answers; if it runs it is killed before.
func (c *Central) RestartNB(ctx context.Context) error {
	if err := c.nb().kill(); err != nil {
		return err
	}
	return c.startAgain(ctx, c.nb())
}

// PauseNB stops the execution of the Northbound database, and returns when it has stopped.
func (c *Central) PauseNB(ctx context.Context) error { return c.nb().pause(ctx) }

// ResumeNB undoes PauseNB.
func (c *Central) ResumeNB() error { return c.nb().resume() }

// Logs returns the paths of the logs.
func (c *Central) Logs() []string {
	var out []string
	for _, p := range c.processes {
		out = append(out, p.logFile())
	}
	return out
}

// awaitRow waits until a table has a row, and returns it with the session.
func awaitRow(ctx context.Context, address, database, table string) (_ *ovsdb.Session, row ovsdb.UUID, err error) {
	s, err := ovsdb.Dial(ctx, ovsdb.Options{Addresses: []string{address}, Database: database})
	if err != nil {
		return nil, row, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	initial, err := s.Monitor(ctx, map[string][]string{table: {"external_ids"}}, "")
	if err != nil {
		return nil, row, err
	}
	for update := initial.Update; ; {
		for _, r := range update.Tables[table] {
			return s, r.UUID, nil
		}
		select {
		case e, ok := <-s.Events():
			if !ok {
				return nil, row, s.Err()
			}
			if e.Update != nil {
				update = *e.Update
			}
		case <-ctx.Done():
			return nil, row, context.Cause(ctx)
		}
	}
}
