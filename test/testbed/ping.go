package testbed

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	errRefused         = syscall.ECONNREFUSED
	errReset           = syscall.ECONNRESET
	errUnreachable     = syscall.ENETUNREACH
	errHostUnreachable = syscall.EHOSTUNREACH
)

var lastEcho atomic.Uint32

// echo is one of the two ICMPs.
type echo struct {
	network, any string
	protocol     int
	request      icmp.Type
	reply        icmp.Type
}

var (
	echo4 = echo{"ip4:icmp", "0.0.0.0", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	echo6 = echo{"ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// ping sends an echo request and waits for its reply.
func (s *Station) ping(to, source netip.Addr) (string, error) {
	e := echo4
	if to.Is6() {
		e = echo6
	}
	listen := e.any
	if source.IsValid() {
		listen = source.String()
	}
	var conn *icmp.PacketConn
	err := s.namespace.Do(func() (err error) {
		conn, err = icmp.ListenPacket(e.network, listen)
		return err
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	n := lastEcho.Add(1)
	body := &icmp.Echo{ID: int(n >> 16 & 0xffff), Seq: int(n & 0xffff), Data: []byte("northbound")}
	packet, err := (&icmp.Message{Type: e.request, Body: body}).Marshal(nil)
	if err != nil {
		return "", err
	}
	if err := conn.SetDeadline(time.Now().Add(packetPatience)); err != nil {
		return "", err
	}
	if _, err := conn.WriteTo(packet, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return classify(err)
	}
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return Silence, nil
		}
		if err != nil {
			return classify(err)
		}
		m, err := icmp.ParseMessage(e.protocol, buffer[:size])
		if err != nil || m.Type != e.reply {
			continue
		}
		if got, ok := m.Body.(*icmp.Echo); ok && got.ID == body.ID && got.Seq == body.Seq && from.String() == to.String() {
			return Pong, nil
		}
	}
}
