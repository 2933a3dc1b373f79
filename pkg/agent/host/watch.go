package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// watched are the multicast groups of rtnetlink(7) that announce what an agent keeps: links, addresses, routes and rules.
var watched = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
}

// Watch calls notify once, and again whenever links, addresses, routes or routing rules have changed, until the context ends or the
// kernel's messages cannot be followed any more, which it returns. Notify must not block. Several changes may be one call.
func (h *Host) Watch(ctx context.Context, notify func()) error {
	socket, err := nl.SubscribeAt(h.ns, netns.None(), unix.NETLINK_ROUTE, watched...)
	if err != nil {
		return fmt.Errorf("subscribe to changes of links, addresses, routes and rules: %w", err)
	}
	closed := sync.OnceFunc(socket.Close)
	defer closed()
	defer context.AfterFunc(ctx, closed)()
	notify()
	for {
		messages, from, err := socket.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ENOBUFS: there were too many, and some were lost.
			return fmt.Errorf("changes of links, addresses, routes and rules: %w", err)
		case from.Pid != nl.PidKernel:
			continue
		}
		if len(messages) > 0 {
			notify()
		}
	}
}

// downs counts how often each link has gone down, by its index. It reads the kernel's messages when it is asked: what a look at addresses
// and routes after that finds missing was taken by no link that went down later.
type downs struct {
	mu     sync.Mutex
	socket *nl.NetlinkSocket
	count  map[int]int
	down   map[int]bool
	lost   int // messages, as many as there were gaps
}

// Downs returns how often a link has gone down, counted from the first call of Downs, up to this moment. The kernel takes routes, and
// addresses of IPv6, from a link that goes down: two equal counts, the second taken after a look at these, say that it has not. When
// messages were lost, counts of all links are others than before.
func (h *Host) Downs(link netlink.Link) (int, error) {
	d := &h.downs
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.socket == nil {
		socket, err := nl.SubscribeAt(h.ns, netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
		if err != nil {
			return 0, fmt.Errorf("subscribe to changes of links: %w", err)
		}
		d.socket, d.count, d.down = socket, map[int]int{}, map[int]bool{}
	}
	if err := d.read(); err != nil {
		return 0, err
	}
	return d.count[link.Attrs().Index] + d.lost, nil
}

// read takes in the messages that are there.
func (d *downs) read() error {
	buffer := make([]byte, nl.RECEIVE_BUFFER_SIZE)
	for {
		n, _, err := unix.Recvfrom(d.socket.GetFd(), buffer, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			d.lost++
			continue
		case err != nil:
			return fmt.Errorf("changes of links: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("changes of links: %w", err)
		}
		for _, m := range messages {
			d.note(m)
		}
	}
}

// note takes a message about a link in.
func (d *downs) note(m syscall.NetlinkMessage) {
	if m.Header.Type != unix.RTM_NEWLINK && m.Header.Type != unix.RTM_DELLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return
	}
	about := nl.DeserializeIfInfomsg(m.Data)
	index, down := int(about.Index), m.Header.Type == unix.RTM_DELLINK || about.Flags&unix.IFF_UP == 0
	if down && !d.down[index] {
		d.count[index]++
	}
	d.down[index] = down
}

// close ends the subscription.
func (d *downs) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.socket != nil {
		d.socket.Close()
		d.socket = nil
	}
}
