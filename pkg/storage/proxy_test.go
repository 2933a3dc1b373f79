package storage_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// proxy stands between an engine and a real server, and does to their messages what a network does at the worst moment.
type proxy struct {
	address  string
	upstream string
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	hook  func(message) verdict
}

// message is a JSON-RPC message on its way.
type message struct {
	// Method is "transact", "echo", ...; of a reply that of the call that it answers, with "reply to " before it.
	Method string
	Raw    json.RawMessage
}

// verdict is what happens to a message.
type verdict int

const (
	pass    verdict = iota
	cut             // both connections end before the message is passed on
	passCut         // they end after it
)

// newProxy listens for engines. All messages pass until a hook says otherwise.
func newProxy(t testing.TB, upstream string) *proxy {
	t.Helper()
	path := filepath.Join(ovntest.Dir(t), "proxy.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: "unix:" + path, upstream: strings.TrimPrefix(upstream, "unix:"), listener: l, conns: map[net.Conn]bool{}}
	p.work.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.cutAll()
		p.work.Wait()
	})
	return p
}

// upstreamAddress is that of the server itself.
func (p *proxy) upstreamAddress() string { return "unix:" + p.upstream }

// onMessage decides about messages; it may block to hold one. Messages of one direction are in order.
func (p *proxy) onMessage(hook func(message) verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// cutAll ends all connections.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.upstream)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		calls := &sync.Map{}
		p.work.Go(func() { p.pump(client, server, calls) })
		p.work.Go(func() { p.pump(server, client, calls) })
	}
}

// pump passes messages on in one direction.
func (p *proxy) pump(from, to net.Conn, calls *sync.Map) {
	defer func() {
		from.Close()
		to.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, from)
	}()
	in := json.NewDecoder(from)
	for {
		var raw json.RawMessage
		if err := in.Decode(&raw); err != nil {
			return
		}
		p.mu.Lock()
		hook := p.hook
		p.mu.Unlock()
		v := pass
		if hook != nil {
			v = hook(identify(raw, calls))
		} else {
			identify(raw, calls)
		}
		if v == cut {
			return
		}
		if _, err := to.Write(raw); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
		if v == passCut {
			return
		}
	}
}

// identify names a message and remembers calls for their replies.
func identify(raw json.RawMessage, calls *sync.Map) message {
	var m struct {
		Method string          `json:"method"`
		ID     json.RawMessage `json:"id"`
	}
	_ = json.Unmarshal(raw, &m)
	if m.Method != "" {
		calls.Store(string(m.ID), m.Method)
		return message{Method: m.Method, Raw: raw}
	}
	if method, ok := calls.Load(string(m.ID)); ok {
		return message{Method: "reply to " + method.(string), Raw: raw}
	}
	return message{Raw: raw}
}

// operation is an operation of a transaction.
type operation struct {
	Op    string                     `json:"op"`
	Table string                     `json:"table"`
	Row   map[string]json.RawMessage `json:"row"`
}

// operations are those of a transaction that concern realized rows: no documents, no token.
func operations(t testing.TB, m message) (out []operation) {
	t.Helper()
	var call struct {
		Params []json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(m.Raw, &call); err != nil {
		t.Error(err)
	}
	for _, p := range call.Params[1:] { // the first is the database
		var op operation
		if err := json.Unmarshal(p, &op); err != nil {
			t.Error(err)
		}
		if op.Table != "" && op.Table != "Copp" {
			out = append(out, op)
		}
	}
	return out
}

// hold stops the next message of a method. held is closed when it is there; release lets it, and all others, pass.
func hold(p *proxy, method string) (held <-chan struct{}, release func()) {
	arrived, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.onMessage(func(m message) verdict {
		if m.Method == method {
			once.Do(func() { close(arrived) })
			<-open
		}
		return pass
	})
	return arrived, func() {
		p.onMessage(nil)
		close(open)
	}
}
