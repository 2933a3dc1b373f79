package agent

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// sysctls is the owner of the kernel's settings that routing for pods needs.
type sysctls struct{ host *host.Host }

// sysctl is a setting of the kernel.
type sysctl struct {
	name, value string
	required    bool
	atLeast     bool // a larger value stays
	port        bool // of the node's port, which need not be there yet
}

// wanted are the settings. Forwarding is needed; the others help, and are not there in every kernel or not writable in every
// namespace: larger tables of neighbours (the kernel drops packets when a table is full, and its limit is low), and connection
// tracking that does not take segments out of the window, as after a failover, for invalid.
//
// The node's port has settings of its own. Its neighbours are OVN's: nobody else has its addresses, and nobody advertises routers there.
// Answers of other nodes may come in by another way than the questions went out (loose reverse path filter).
var wanted = []sysctl{
	{name: "net/ipv4/ip_forward", value: "1", required: true},
	{name: "net/ipv6/conf/all/forwarding", value: "1"},
	{name: "net/ipv4/neigh/default/gc_thresh1", value: "1024", atLeast: true},
	{name: "net/ipv4/neigh/default/gc_thresh2", value: "2048", atLeast: true},
	{name: "net/ipv4/neigh/default/gc_thresh3", value: "4096", atLeast: true},
	{name: "net/ipv6/neigh/default/gc_thresh1", value: "1024", atLeast: true},
	{name: "net/ipv6/neigh/default/gc_thresh2", value: "2048", atLeast: true},
	{name: "net/ipv6/neigh/default/gc_thresh3", value: "4096", atLeast: true},
	{name: "net/netfilter/nf_conntrack_tcp_be_liberal", value: "1"},
	{name: "net/ipv4/conf/" + portName + "/forwarding", value: "1", required: true, port: true},
	{name: "net/ipv4/conf/" + portName + "/rp_filter", value: "2", required: true, port: true},
	{name: "net/ipv6/conf/" + portName + "/forwarding", value: "1"},
	{name: "net/ipv6/conf/" + portName + "/accept_ra", value: "0"},
	{name: "net/ipv6/conf/" + portName + "/accept_dad", value: "0"},
}

// sync makes the settings as they should be.
func (s *sysctls) sync(context.Context) error {
	for _, w := range wanted {
		if w.atLeast {
			text, err := s.host.Sysctl(w.name)
			now, notNumber := strconv.Atoi(strings.TrimSpace(text))
			want, _ := strconv.Atoi(w.value)
			if err != nil || notNumber != nil || now >= want {
				continue
			}
		}
		err := s.host.SetSysctl(w.name, w.value)
		if err != nil && !w.forgives(err) {
			return err
		}
	}
	return nil
}

// forgives reports whether the node works although the setting could not be made.
func (w *sysctl) forgives(err error) bool {
	missing := errors.Is(err, fs.ErrNotExist)
	if w.required {
		return missing && w.port
	}
	return missing || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)
}
