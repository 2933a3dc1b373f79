package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/vishvananda/netlink"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

const (
	// connectTimeout bounds the connection with the pod, lifetime the whole of a probe; the kubelet's own timeouts are shorter.
	connectTimeout = 10 * time.Second
	lifetime       = 10 * time.Minute
	// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, of linux/netfilter_ipv4.h.
	soOriginalDst = 80
)

// Proxy takes the connections that the packet filter redirects, and makes them from inside the pods.
type Proxy struct {
	host      *host.Host
	listeners []net.Listener
	redirects atomic.Pointer[map[netip.AddrPort]Redirect]
}

// Listen opens the proxy's port on the node's loopback addresses; a port of 0 is any free one.
func Listen(h *host.Host, port uint16) (*Proxy, error) {
	p := &Proxy{host: h}
	p.Set(nil)
	for _, loopback := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
		var l net.Listener
		err := h.Do(func() (err error) {
			l, err = net.Listen("tcp", netip.AddrPortFrom(loopback, port).String())
			return err
		})
		if err != nil && loopback.Is6() && errors.Is(err, unix.EADDRNOTAVAIL) {
			continue // A node without IPv6.
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("proxy for probes: %w", err), p.close())
		}
		p.listeners = append(p.listeners, l)
		port = p.Port()
	}
	return p, nil
}

// Port is the proxy's port.
func (p *Proxy) Port() uint16 {
	return netip.MustParseAddrPort(p.listeners[0].Addr().String()).Port()
}

// Set says where probes go from now on.
func (p *Proxy) Set(redirects map[netip.AddrPort]Redirect) { p.redirects.Store(&redirects) }

func (p *Proxy) close() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Run serves until the context ends.
func (p *Proxy) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = p.close() })
	defer stop()
	var wg sync.WaitGroup
	for _, l := range p.listeners {
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				} else if err != nil {
					klog.FromContext(ctx).Info("A probe was not taken", "reason", err.Error())
					continue
				}
				wg.Go(func() { p.serve(ctx, c.(*net.TCPConn)) })
			}
		})
	}
	wg.Wait()
}

// serve carries one probe. What the pod does not take is reset: the kubelet counts it as failed.
func (p *Proxy) serve(ctx context.Context, client *net.TCPConn) {
	defer client.Close()
	to, err := originalDestination(client)
	if err != nil {
		_ = client.SetLinger(0)
		return // Nobody redirected it.
	}
	pod, err := p.dial(to)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Probe failed", "address", to, "reason", err.Error())
		_ = client.SetLinger(0)
		return
	}
	defer pod.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), pod.Close() })
	defer stop()
	deadline := time.Now().Add(lifetime)
	_, _ = client.SetDeadline(deadline), pod.SetDeadline(deadline)
	var wg sync.WaitGroup
	wg.Go(func() { carry(pod, client) })
	wg.Go(func() { carry(client, pod) })
	wg.Wait()
}

// carry copies one direction to its end, and ends it on the other side.
func carry(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		_ = to.Close()
		return
	}
	_ = to.CloseWrite()
}

// dial connects with an address from inside the pod that has it.
func (p *Proxy) dial(to netip.AddrPort) (*net.TCPConn, error) {
	redirect, ok := (*p.redirects.Load())[to]
	if !ok {
		return nil, fmt.Errorf("no pod has %s", to)
	}
	pod, err := host.Open(redirect.NetNS)
	if err != nil {
		return nil, err
	}
	defer pod.Close()
	var c net.Conn
	err = pod.Do(func() (err error) {
		// The connection is made by this very thread: the address needs no resolution.
		c, err = (&net.Dialer{Timeout: connectTimeout}).Dial("tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// originalDestination is where a redirected connection was going, see SO_ORIGINAL_DST in nft(8).
func originalDestination(c *net.TCPConn) (netip.AddrPort, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	local := netip.MustParseAddrPort(c.LocalAddr().String())
	var to netip.AddrPort
	var failed error
	err = raw.Control(func(fd uintptr) {
		if local.Addr().Unmap().Is4() {
			var sa unix.RawSockaddrInet4
			failed = getsockopt(fd, unix.SOL_IP, unsafe.Pointer(&sa), unsafe.Sizeof(sa))
			to = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), ntohs(sa.Port))
			return
		}
		var sa unix.RawSockaddrInet6
		failed = getsockopt(fd, unix.SOL_IPV6, unsafe.Pointer(&sa), unsafe.Sizeof(sa))
		to = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), ntohs(sa.Port))
	})
	if err = errors.Join(err, failed); err != nil {
		return netip.AddrPort{}, err
	}
	if to == local {
		return netip.AddrPort{}, errors.New("the connection was not redirected")
	}
	return to, nil
}

func getsockopt(fd uintptr, level int, value unsafe.Pointer, size uintptr) error {
	length := uint32(size)
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), soOriginalDst, uintptr(value), uintptr(unsafe.Pointer(&length)), 0); errno != 0 {
		return errno
	}
	return nil
}

// ntohs turns a port in network byte order around.
func ntohs(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// Listening are the TCP ports that are open in a pod.
func Listening(netns string) (map[uint16]bool, error) {
	const listen = 10 // TCP_LISTEN
	h, err := host.Open(netns)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	ports := map[uint16]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		var sockets []*netlink.Socket
		// Not with the handle, which has no socket for this family of messages: it would be the process's namespace.
		err := h.Do(func() (err error) { sockets, err = netlink.SocketDiagTCP(family); return err })
		if err != nil {
			return nil, fmt.Errorf("open ports: %w", err)
		}
		for _, s := range sockets {
			// One that is bound to a loopback address takes no connection to the pod's.
			if s.State == listen && !s.ID.Source.IsLoopback() {
				ports[s.ID.SourcePort] = true
			}
		}
	}
	return ports, nil
}
