//go:build cluster

package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// place is a network namespace in which the test opens sockets, and its address.
type place struct {
	*host.Host
	address string
}

// get asks the server of a pod who it is.
func (p *place) get(ctx context.Context, address, want string) error {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, to string) (c net.Conn, err error) {
			err = p.Do(func() (err error) {
				c, err = (&net.Dialer{}).DialContext(ctx, network, to)
				return err
			})
			return c, err
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, "8080")+"/", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("from %s: %w", p.address, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if got := strings.TrimSpace(string(text)); err == nil && got != want {
		err = fmt.Errorf("%s, asked from %s, says %q, want %q", address, p.address, got, want)
	}
	return err
}

// A talk is messages that one place sends to another, which sends each of them back.
type talk struct {
	name string

	mu   sync.Mutex
	sent []message // by number
}

type message struct {
	at       time.Time
	answered bool
}

const (
	talkInterval = 50 * time.Millisecond
	// talkPatience is how long an answer may take on a machine that is busy.
	talkPatience = 3 * time.Second
	talkPort     = 4007
)

// startTalk begins a talk, which ends with the test.
func startTalk(t *testing.T, name string, from, to *place) *talk {
	t.Helper()
	var server, client *net.UDPConn
	port := talkPort + len(name) // one for each talk
	err := to.Do(func() (err error) {
		server, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		return err
	})
	if err == nil {
		err = from.Do(func() (err error) {
			client, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(to.address), Port: port})
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	k := &talk{name: name}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for buffer := make([]byte, 64); ; {
			n, sender, err := server.ReadFromUDP(buffer)
			if err != nil {
				return // it is closed
			}
			_, _ = server.WriteToUDP(buffer[:n], sender)
		}
	})
	running.Go(func() {
		for buffer := make([]byte, 64); ; {
			n, err := client.Read(buffer)
			if n == 8 {
				k.answered(binary.BigEndian.Uint64(buffer))
			}
			if err != nil {
				select {
				case <-stop:
					return
				case <-time.After(talkInterval): // an ICMP error
				}
			}
		}
	})
	running.Go(func() {
		ticker := time.NewTicker(talkInterval)
		defer ticker.Stop()
		for {
			_, _ = client.Write(binary.BigEndian.AppendUint64(nil, k.send()))
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		_ = server.Close()
		_ = client.Close()
		running.Wait()
	})
	return k
}

func (k *talk) send() (number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = append(k.sent, message{at: time.Now()})
	return uint64(len(k.sent) - 1)
}

func (k *talk) answered(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number < uint64(len(k.sent)) {
		k.sent[number].answered = true
	}
}

// lost waits for the answers to what was sent between an instant and now, and says how many never came, when the first of them
// was missed, and the longest time without one.
func (k *talk) lost(since time.Time) (lost int, first time.Time, longest time.Duration) {
	k.mu.Lock()
	n := len(k.sent)
	k.mu.Unlock()
	deadline := time.Now().Add(talkPatience)
	for {
		lost, first, longest = k.unanswered(since, n)
		if lost == 0 || time.Now().After(deadline) {
			return lost, first, longest
		}
		time.Sleep(talkInterval)
	}
}

func (k *talk) unanswered(since time.Time, n int) (lost int, first time.Time, longest time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	silent := time.Time{}
	for _, m := range k.sent[:n] {
		switch {
		case m.at.Before(since):
		case m.answered:
			silent = time.Time{}
		default:
			if lost++; lost == 1 {
				first = m.at
			}
			if silent.IsZero() {
				silent = m.at
			}
			longest = max(longest, m.at.Sub(silent)+talkInterval)
		}
	}
	return lost, first, longest
}
