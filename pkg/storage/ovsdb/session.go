package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Errors that end a session or make Dial pass over a server.
var (
	// ErrClosed is the end of a session by Close.
	ErrClosed = errors.New("session closed")
	// ErrNotLeader means that another member leads the cluster; see Options.LeaderOnly.
	ErrNotLeader = errors.New("server is not the leader of its cluster")
	// ErrNotConnected means that the server has no contact with the majority of its cluster: what it knows may be old.
	ErrNotConnected = errors.New("server has lost its cluster")
	// ErrSilent means that the server did not answer in time.
	ErrSilent = errors.New("server does not answer")
)

const (
	// eventsBuffer is how many events wait for the session's user before the session stops reading. The server merges
	// updates for a session that does not read, so that neither side grows.
	eventsBuffer = 128
	// monitorPatience is how many CallTimeouts Monitor waits: the server prepares all of the content before it sends the
	// first byte, and serves nobody meanwhile.
	monitorPatience = 12

	zeroTxnID = "00000000-0000-0000-0000-000000000000"
)

// Session is one connection to a database. All methods may be called at the same time.
type Session struct {
	o         Options
	address   string
	conn      net.Conn
	raw       syscall.RawConn // of a connection that is not encrypted
	schema    Schema
	names     map[string]string
	clustered bool
	role      role          // of the reader
	ready     chan struct{} // closed when the role is known

	events chan Event
	done   chan struct{} // closed when the session ends
	work   sync.WaitGroup

	// What the keeper knows of the reader: bytes came in, a message is incomplete, a message is being worked on or
	// waits until the session's user takes it.
	reads         atomic.Uint64
	partial, busy atomic.Bool

	queued chan struct{} // wakes the writer

	mu      sync.Mutex // guards what follows
	err     error
	lastID  uint64
	pending map[uint64]*call
	queue   net.Buffers
	writing bool // the writer is about to write
}

// Event is an update or a reply: exactly one is set.
type Event struct {
	Update *Update
	Reply  *Reply
}

// call is a request without an answer yet.
type call struct {
	method string
	// limit is the silence that is too long, silent what the keeper has counted.
	limit, silent time.Duration
	// decode takes the result of the session's own calls, in the reader; nil for those whose reply is an event.
	decode func(result []byte) error
	done   chan error
}

// Dial connects to the first of the addresses that serves the database in the wanted role. It tries each of them once;
// its error says for each of them what was wrong. The context bounds dialing, not the session.
func Dial(ctx context.Context, o Options) (*Session, error) {
	o = o.withDefaults()
	if len(o.Addresses) == 0 {
		return nil, errors.New("no database address given")
	}
	var failed dialError
	for _, address := range o.Addresses {
		s, err := dial(ctx, o, address)
		if err == nil {
			return s, nil
		}
		failed = append(failed, fmt.Errorf("database at %s: %w", address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// dialError is one error for each address.
type dialError []error

func (e dialError) Unwrap() []error { return e }

func (e dialError) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func dial(ctx context.Context, o Options, address string) (*Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.DialTimeout, fmt.Errorf("%w within %v", ErrSilent, o.DialTimeout))
	defer cancel()
	conn, err := o.connect(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &Session{
		o: o, address: address, conn: conn,
		events:  make(chan Event, eventsBuffer),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
		queued:  make(chan struct{}, 1),
		pending: make(map[uint64]*call),
	}
	if c, ok := conn.(syscall.Conn); ok {
		s.raw, _ = c.SyscallConn()
	}
	s.work.Go(s.read)
	s.work.Go(s.write)
	s.work.Go(s.keep)
	if err := s.greet(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Address is the address that the session is connected to.
func (s *Session) Address() string { return s.address }

// Schema describes the database as it was when the session began. A change of the schema ends the session.
func (s *Session) Schema() Schema { return s.schema }

// Clustered reports whether the database is clustered. Those are durable by themselves; a transaction on a standalone
// one is on disk at its reply only with Txn.CommitDurable.
func (s *Session) Clustered() bool { return s.clustered }

// Events are the updates and replies in the order of their arrival. The update of a transaction comes before its reply.
// The channel is closed when the session has ended, after what had arrived; calls without a reply by then have
// an unknown outcome. A user who does not take events stops the session from reading.
func (s *Session) Events() <-chan Event { return s.events }

// Err returns why the session ended, nil as long as it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return fmt.Errorf("database at %s: %w", s.address, s.err)
}

// reason is Err without the address.
func (s *Session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the session and returns when all of its goroutines have.
func (s *Session) Close() {
	s.end(ErrClosed)
	s.work.Wait()
}

// end ends the session; the first reason counts.
func (s *Session) end(err error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		close(s.done)
	}
	s.mu.Unlock()
	if first {
		s.conn.Close()
	}
}

// Send writes a transaction and returns the ID of its reply, without waiting for anything. An error means that nothing
// was written: the transaction has a text that cannot be stored (ErrText), or the session has ended.
func (s *Session) Send(t *Txn) (id uint64, err error) {
	if t.err != nil {
		return 0, t.err
	}
	return s.call(&call{method: "transact", limit: s.o.CallTimeout}, t.buf[:len(t.buf):len(t.buf)], []byte("]"))
}

// Echo asks for a reply that comes after every update that the server had sent before, and returns its ID.
func (s *Session) Echo() (id uint64, err error) {
	return s.call(&call{method: "echo", limit: s.o.CallTimeout}, []byte("[]"))
}

// Monitor asks for the given columns (all columns when none are named) of tables, and from then on for updates, which
// come as events. With lastTxnID, the Update.TxnID of an earlier session, the answer is limited to what happened since,
// if the server still knows (Initial.Found). It must be the first call of the session: a server that has just started
// may leave a transaction unanswered. When it fails the session ends.
func (s *Session) Monitor(ctx context.Context, tables map[string][]string, lastTxnID string) (Initial, error) {
	if lastTxnID == "" {
		lastTxnID = zeroTxnID
	}
	answer := make(chan Initial, 1)
	err := s.ask(ctx, &call{
		method: "monitor_cond_since",
		limit:  monitorPatience * s.o.CallTimeout,
		decode: func(result []byte) error {
			d := decoder{scanner: scanner{b: result}, names: s.names}
			answer <- d.initial()
			return d.err
		},
	}, monitorParams(s.o.Database, dataMonitor, tables, lastTxnID))
	if err != nil {
		s.end(err)
		return Initial{}, s.Err()
	}
	return <-answer, nil
}

// ask makes a call and waits for its answer.
func (s *Session) ask(ctx context.Context, c *call, params []byte) error {
	c.done = make(chan error, 1)
	if _, err := s.call(c, params); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-s.done:
		return s.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call queues a request for the writer.
func (s *Session) call(c *call, params ...[]byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, fmt.Errorf("database at %s: %w", s.address, s.err)
	}
	s.lastID++
	s.pending[s.lastID] = c
	head := make([]byte, 0, 64)
	head = append(head, `{"id":`...)
	head = strconv.AppendUint(head, s.lastID, 10)
	head = append(head, `,"method":"`...)
	head = append(head, c.method...)
	head = append(head, `","params":`...)
	s.queue = append(append(append(s.queue, head), params...), []byte("}"))
	s.writeNow()
	return s.lastID, nil
}

// maxVector is how many pieces one call may write, see IOV_MAX in sysconf(3).
const maxVector = 1024

// writeNow writes what the connection takes without waiting, and leaves the rest to the writer: usually no other goroutine has
// to be woken.
func (s *Session) writeNow() {
	raw := s.raw
	if raw == nil || s.writing || len(s.queue) > maxVector {
		s.wakeWriter()
		return
	}
	_ = raw.Write(func(fd uintptr) bool {
		if n, err := unix.Writev(int(fd), s.queue); err == nil {
			s.queue = consume(s.queue, n)
		}
		return true
	})
	if len(s.queue) > 0 {
		s.wakeWriter() // which waits, or finds out what is wrong
	}
}

// consume removes the first n bytes.
func consume(buffers net.Buffers, n int) net.Buffers {
	for len(buffers) > 0 && n >= len(buffers[0]) {
		n -= len(buffers[0])
		buffers = buffers[1:]
	}
	if len(buffers) == 0 {
		return nil
	}
	buffers[0] = buffers[0][n:]
	return buffers
}

func (s *Session) wakeWriter() {
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// write is the writer: it alone writes, so that nobody else waits for a server that does not read.
func (s *Session) write() {
	for {
		select {
		case <-s.done:
			return
		case <-s.queued:
		}
		for {
			s.mu.Lock()
			queue := s.queue
			s.queue, s.writing = nil, len(queue) > 0
			s.mu.Unlock()
			if len(queue) == 0 {
				break
			}
			if _, err := queue.WriteTo(s.conn); err != nil {
				s.end(lost(err))
				return
			}
		}
	}
}

// lost is the error of a broken connection.
func lost(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the server closed the connection")
	}
	return err
}
