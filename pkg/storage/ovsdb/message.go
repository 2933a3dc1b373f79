package ovsdb

import (
	"fmt"
	"io"
)

// framer cuts a stream into JSON-RPC messages: JSON objects one after another, with nothing but white space in between.
type framer struct {
	r   io.Reader
	buf []byte // buf[:end] was read, buf[:next] is of earlier messages
	// next is the begin of the message, at the place of the scan.
	next, at, end int
	depth         int
	quoted        bool
	// progress is called before each read, with whether a part of a message has arrived.
	progress func(partial bool)
}

const (
	framerMin = 64 << 10
	// framerKeep is the largest buffer that outlives its message: the initial load should not stay in memory.
	framerKeep = 4 << 20
)

// message returns the next message. It is valid until the next call.
func (f *framer) message() ([]byte, error) {
	if f.next == f.end && cap(f.buf) > framerKeep {
		f.buf, f.next, f.at, f.end = nil, 0, 0, 0
	}
	for {
		for f.at < f.end {
			if f.scan() {
				m := f.buf[f.next:f.at]
				f.next = f.at
				return m, nil
			}
			if f.depth == 0 && f.at < f.end {
				return nil, fmt.Errorf("expected a JSON-RPC message, not %q", f.buf[f.at])
			}
		}
		f.progress(f.depth > 0)
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
}

// scan looks for the end of the message in what was read, and reports whether it was found.
func (f *framer) scan() bool {
	b := f.buf[:f.end]
	i, depth, quoted := f.at, f.depth, f.quoted
	if depth == 0 {
		for i < len(b) && isSpace(b[i]) {
			i++
		}
		f.next, f.at = i, i
		if i == len(b) || b[i] != '{' {
			return false
		}
	}
	for i < len(b) {
		c := b[i]
		i++
		if quoted {
			if c == '"' {
				quoted = false
			} else if c == '\\' {
				i++ // may point behind what was read: the escaped byte is skipped when it has arrived
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				f.at, f.depth, f.quoted = i, 0, false
				return true
			}
		}
	}
	f.at, f.depth, f.quoted = i, depth, quoted
	return false
}

func (f *framer) fill() error {
	if f.next > 0 {
		// Only the begin of the next message is behind f.next.
		copy(f.buf, f.buf[f.next:f.end])
		f.at, f.end, f.next = f.at-f.next, f.end-f.next, 0
	}
	if f.end == len(f.buf) {
		grown := make([]byte, max(framerMin, 2*len(f.buf)))
		copy(grown, f.buf[:f.end])
		f.buf = grown
	}
	n, err := f.r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && f.depth > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// message is a JSON-RPC message whose members are as they were read.
type message struct {
	id, method, params, result, err []byte
}

func parseMessage(b []byte) (message, error) {
	var m message
	s := scanner{b: b}
	for name := range s.members() {
		switch value := s.skip(); string(name) {
		case "id":
			m.id = value
		case "method":
			m.method = value
		case "params":
			m.params = value
		case "result":
			m.result = value
		case "error":
			m.err = value
		}
	}
	return m, s.err
}

// isNull reports whether a member of a message is missing or null.
func isNull(b []byte) bool { return len(b) == 0 || string(b) == "null" }
