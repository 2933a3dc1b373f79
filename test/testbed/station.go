package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Station is a network namespace with an interface, and servers that say who they are and whom they see.
type Station struct {
	// Name is what its servers answer with.
	Name string

	namespace *Namespace
	servers   []interface{ Close() error }
}

// String is the name.
func (s *Station) String() string { return s.Name }

// AddAddress gives the station one more address, usable at once.
func (s *Station) AddAddress(p string) error {
	return s.namespace.AddAddress(NIC, netip.MustParsePrefix(p))
}

// DeleteAddress takes it away.
func (s *Station) DeleteAddress(p string) error {
	return s.namespace.DeleteAddress(NIC, netip.MustParsePrefix(p))
}

// AddRoute sends packets for a prefix to a neighbour.
func (s *Station) AddRoute(to, via string) error {
	return s.namespace.AddRoute(netip.MustParsePrefix(to), netip.MustParseAddr(via))
}

// NIC is the name of the interface of a station.
const NIC = "eth0"

// servedPorts are where a station's servers listen, for TCP and UDP, at all its addresses.
var servedPorts = []int{22, 80}

// Serve starts the servers. An answer is "<name> sees <address of the client>", for UDP followed by what the client said.
func (s *Station) Serve() error {
	return s.namespace.Do(func() error {
		for _, port := range servedPorts {
			address := fmt.Sprintf("[::]:%d", port)
			l, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			s.servers = append(s.servers, l)
			go s.serveTCP(l)
			p, err := listenUDP(port)
			if err != nil {
				return err
			}
			s.servers = append(s.servers, p)
			go s.serveUDP(p)
		}
		return nil
	})
}

func (s *Station) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s sees %s\n", s.Name, addrOf(c.RemoteAddr()))
		c.Close()
	}
}

// listenUDP returns a socket that tells with each packet to which of the station's addresses it came.
func listenUDP(port int) (*net.UDPConn, error) {
	p, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6zero, Port: port})
	if err != nil {
		return nil, err
	}
	raw, err := p.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}), err)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// serveUDP answers from the address to which the request came: the kernel gives and takes it in the same form.
func (s *Station) serveUDP(p *net.UDPConn) {
	buffer, addresses := make([]byte, 8192), make([]byte, 128)
	for {
		n, m, _, from, err := p.ReadMsgUDP(buffer, addresses)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _, _ = p.WriteMsgUDP(fmt.Appendf(nil, "%s sees %s\n%s", s.Name, addrOf(from), buffer[:n]), addresses[:m], from)
		}
	}
}

func addrOf(a net.Addr) netip.Addr {
	p, _ := netip.ParseAddrPort(a.String())
	return p.Addr().Unmap().WithZone("")
}

// StopServing stops the servers: TCP connections are refused from now on. Serve starts them again.
func (s *Station) StopServing() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.servers = nil
	return errors.Join(errs...)
}

func (s *Station) close() error { return errors.Join(s.StopServing(), s.namespace.Close()) }

// Do runs f in the station's network namespace, see Namespace.Do.
func (s *Station) Do(f func() error) error { return s.namespace.Do(f) }

// Probes.
const (
	// Pong is the answer to a ping.
	Pong = "pong"
	// Refused is a connection that is reset, or an ICMP error.
	Refused = "refused"
	// Silence is that nobody answers.
	Silence = "silence"
)

// Ask sends one probe, "ping <address>", "tcp <address>:<port>" or "udp <address>:<port>", from the station, and returns
// the answer: of a station's server the sentence, or Pong, Refused or Silence. "from <address>" at the end names the source.
func (s *Station) Ask(ctx context.Context, probe string) (string, error) {
	words := strings.Fields(probe)
	source := netip.Addr{}
	if len(words) == 4 && words[2] == "from" {
		var err error
		if source, err = netip.ParseAddr(words[3]); err != nil {
			return "", err
		}
		words = words[:2]
	}
	if len(words) != 2 {
		return "", fmt.Errorf("%q is no probe", probe)
	}
	if words[0] == "ping" {
		to, err := netip.ParseAddr(words[1])
		if err != nil {
			return "", err
		}
		return s.ping(to, source)
	}
	to, err := netip.ParseAddrPort(words[1])
	if err != nil {
		return "", err
	}
	answer, err := s.call(ctx, words[0], to, source)
	if err != nil {
		return classify(err)
	}
	return answer, nil
}

// Times of one probe: a lost SYN is sent again after a second.
const (
	tcpPatience    = 1500 * time.Millisecond
	packetPatience = time.Second
)

func (s *Station) call(ctx context.Context, network string, to netip.AddrPort, source netip.Addr) (string, error) {
	d := net.Dialer{Timeout: tcpPatience, KeepAlive: -1}
	patience := tcpPatience
	switch {
	case network == "udp":
		patience = packetPatience
		if source.IsValid() {
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		}
	case source.IsValid():
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	var c net.Conn
	err := s.namespace.Do(func() (err error) {
		c, err = d.DialContext(ctx, network, to.String())
		return err
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if network == "udp" {
		if _, err := c.Write([]byte("hello")); err != nil {
			return "", err
		}
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// classify tells errors that are answers from others.
func classify(err error) (string, error) {
	var timeout net.Error
	switch {
	case errors.Is(err, errRefused), errors.Is(err, errUnreachable), errors.Is(err, errReset):
		return Refused, nil
	case errors.Is(err, errHostUnreachable): // nobody answered the ARP request or neighbour solicitation
		return Silence, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return Silence, nil
	}
	return "", err
}
