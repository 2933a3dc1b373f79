package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Options say how to reach a database.
type Options struct {
	// Addresses are tried in this order: "unix:/path", "tcp:host:port" or "ssl:host:port", IPv6 addresses in brackets.
	Addresses []string
	// Database is the name of the database, "OVN_Northbound" by default.
	Database string
	// TLS is the configuration for ssl: addresses. The name of the server that it verifies is the host of the address
	// unless ServerName says otherwise.
	TLS *tls.Config
	// LeaderOnly makes Dial accept only the leader of a clustered database, and ends the session when it stops being that.
	LeaderOnly bool
	// Undecoded leaves the updates in Events as they came: whoever knows what an update says need not read it. See
	// Update.Decode.
	Undecoded bool
	// DialTimeout is the time for one address: connecting, and learning the schema and the server's role. 3 s by default.
	DialTimeout time.Duration
	// CallTimeout is the time in which the server must answer a call (5 s by default), or else the session ends: a
	// server can lose a request for good. The time in which the session's user does not take events does not count,
	// neither does that in which a message is arriving.
	CallTimeout time.Duration
	// ProbeInterval is the time of silence after which the server is asked whether it lives; 5 s by default.
	ProbeInterval time.Duration
}

func (o Options) withDefaults() Options {
	if o.Database == "" {
		o.Database = "OVN_Northbound"
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 3 * time.Second
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 5 * time.Second
	}
	if o.ProbeInterval <= 0 {
		o.ProbeInterval = 5 * time.Second
	}
	return o
}

// unixPathMax is the longest path that fits into sockaddr_un, see unix(7).
const unixPathMax = 107

// ParseAddresses splits a comma separated list of addresses and checks each of them.
func ParseAddresses(list string) ([]string, error) {
	var out []string
	for a := range strings.SplitSeq(list, ",") {
		a = strings.TrimSpace(a)
		if a == "" {
			continue
		}
		if _, _, _, err := parseAddress(a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, errors.New("no database address given")
	}
	return out, nil
}

// parseAddress returns what net.Dial wants to know, and whether TLS is to be spoken.
func parseAddress(a string) (network, address string, secure bool, err error) {
	scheme, rest, _ := strings.Cut(a, ":")
	switch scheme {
	case "unix":
		if rest == "" {
			return "", "", false, fmt.Errorf("database address %q has no path", a)
		}
		if len(rest) > unixPathMax {
			return "", "", false, fmt.Errorf("database address %q: a socket's path has at most %d bytes", a, unixPathMax)
		}
		return "unix", rest, false, nil
	case "tcp", "ssl":
		host, port, err := net.SplitHostPort(rest)
		if err != nil || host == "" {
			return "", "", false, fmt.Errorf("database address %q is not of the form %s:host:port, IPv6 addresses in brackets", a, scheme)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", false, fmt.Errorf("database address %q: port %q is not a number from 1 to 65535", a, port)
		}
		return "tcp", rest, scheme == "ssl", nil
	}
	return "", "", false, fmt.Errorf("database address %q has none of the schemes unix, tcp and ssl", a)
}

// connect opens the transport to one address.
func (o Options) connect(ctx context.Context, a string) (net.Conn, error) {
	network, address, secure, err := parseAddress(a)
	if err != nil {
		return nil, err
	}
	if !secure {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	if o.TLS == nil {
		return nil, errors.New("ssl needs certificates, and none are configured")
	}
	return (&tls.Dialer{Config: o.TLS}).DialContext(ctx, network, address)
}
