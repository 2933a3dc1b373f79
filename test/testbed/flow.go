package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Flow is a stream of packets of one UDP connection, each of which the other side answers.
type Flow struct {
	from, to string
	conn     net.Conn

	once               sync.Once
	stop               chan struct{}
	sending, receiving sync.WaitGroup

	mu       sync.Mutex
	sent     []time.Time
	answered []bool
	answers  int
}

// Outcome is what became of the packets of a flow.
type Outcome struct {
	Sent, Lost int
	// Outage is the longest time between the sending of two packets that were answered, when some between them were not.
	Outage time.Duration
}

// Flow sends a packet every interval from a station to the server of another, until it is stopped, at the latest at the end of the
// test. It returns when the first is answered; packets before do not count.
func (s *Scenario) Flow(from *Station, to string, interval time.Duration) *Flow {
	s.t.Helper()
	server := netip.AddrPortFrom(netip.MustParseAddr(to), 80).String()
	if err := eventually(s.t.Context(), func() error {
		answer, err := from.Ask(s.t.Context(), "udp "+server)
		if err == nil && answer == Silence {
			err = fmt.Errorf("%s does not reach %s", from.Name, server)
		}
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	f := &Flow{from: from.Name, to: server, stop: make(chan struct{})}
	err := from.Do(func() (err error) {
		f.conn, err = net.Dial("udp", server)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	f.sending.Go(func() { f.send(interval) })
	f.receiving.Go(f.receive)
	s.t.Cleanup(func() { f.end() })
	if err := eventually(s.t.Context(), f.Answered(time.Now())); err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (f *Flow) send(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		f.mu.Lock()
		number := len(f.sent)
		f.sent, f.answered = append(f.sent, time.Now()), append(f.answered, false)
		f.mu.Unlock()
		_, _ = fmt.Fprint(f.conn, number) // an error is a packet without an answer
	}
}

func (f *Flow) receive() {
	buffer := make([]byte, 2048)
	for {
		n, err := f.conn.Read(buffer)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		_, text, ok := bytes.Cut(buffer[:n], []byte("\n"))
		if err != nil || !ok {
			continue
		}
		f.mu.Lock()
		if number, err := strconv.Atoi(string(text)); err == nil && number < len(f.answered) && !f.answered[number] {
			f.answered[number] = true
			f.answers++
		}
		f.mu.Unlock()
	}
}

// Answered returns a question for what waits: whether a packet has been answered that was sent after a time.
func (f *Flow) Answered(after time.Time) func() error {
	return func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := len(f.sent) - 1; i >= 0 && f.sent[i].After(after); i-- {
			if f.answered[i] {
				return nil
			}
		}
		return fmt.Errorf("flow %s - %s: no answers", f.from, f.to)
	}
}

// AwaitAnswer waits until a packet is answered that is sent from now on.
func (s *Scenario) AwaitAnswer(f *Flow) {
	s.t.Helper()
	if err := eventually(s.t.Context(), f.Answered(time.Now())); err != nil {
		s.t.Fatal(err)
	}
}

// lateness is how long an answer may be on its way.
const lateness = 5 * time.Second

// Stop ends the flow. It waits for answers that are on their way.
func (f *Flow) Stop() Outcome {
	f.endSending()
	deadline := time.Now().Add(lateness)
	for time.Now().Before(deadline) && f.outcome().Lost > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	f.end()
	return f.outcome()
}

func (f *Flow) endSending() {
	f.once.Do(func() { close(f.stop) })
	f.sending.Wait()
}

func (f *Flow) end() {
	f.endSending()
	_ = f.conn.Close() // again, perhaps
	f.receiving.Wait()
}

func (f *Flow) outcome() Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := max(0, slices.Index(f.answered, true))
	o := Outcome{Sent: len(f.sent) - first, Lost: len(f.sent) - first - f.answers}
	last := -1
	for i, answered := range f.answered {
		if !answered {
			continue
		}
		if last >= 0 && i > last+1 {
			o.Outage = max(o.Outage, f.sent[i].Sub(f.sent[last]))
		}
		last = i
	}
	return o
}
