package dataplane

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A datagram that does not fit into the pods' MTU goes in fragments. The userspace datapath looks at them as a whole when it tracks
// connections, and takes them apart again: OVN's match on the port of a rule, for the first packet of a connection, does not hold for the
// later ones. So fragments follow a rule once another packet has begun the connection.
func TestFragmentsFollowTheConnection(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	a, c := s.Pod(s.Hosts[0], "a.ns1", "net1"), s.Pod(s.Hosts[2], "c.ns1", "net2")
	for _, family := range []struct{ name, vip, pod string }{{"v4", "1.1.1.1", a.V4()}, {"v6", "fd00:99::1", a.V6()}} {
		s.Apply(`{kind: SwitchLBRule, metadata: {name: ` + family.name + `, annotations: {ovn.kubernetes.io/vpc: v1}}, spec: {vip: "` + family.vip +
			`", namespace: ns1, endpoints: ["` + family.pod + `"], ports: [{name: u, port: 80, targetPort: 80, protocol: UDP}]}}`)
		s.Settle()
		pod, rule := net.JoinHostPort(family.pod, "80"), net.JoinHostPort(family.vip, "80")
		begun := dialUDP(t, c, rule)
		s.Eventually(begun.echoes(1300))
		for _, size := range []int{1353, 1373, 1400, 1900, 3000} { // from 1353 on IPv6 has fragments, from 1373 on IPv4
			s.Eventually(dialUDP(t, c, pod).echoes(size))
			s.Eventually(begun.echoes(size))
		}
		// docs/agent.md says so; when a release does better, it changes.
		if err := dialUDP(t, c, rule).echoes(1400)(); s.Version() == "23.03" && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: a connection that begins with fragments: %v, want a timeout", family.name, err)
		}
	}
}

// echoes returns a question for Eventually: whether a datagram of a size, in bytes, comes back.
func (s udpSocket) echoes(size int) func() error {
	return func() error {
		if err := s.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		payload := bytes.Repeat([]byte("x"), size)
		if _, err := s.Write(payload); err != nil {
			return err
		}
		buffer := make([]byte, 4096)
		n, err := s.Read(buffer)
		if err == nil && !bytes.HasSuffix(buffer[:n], payload) {
			err = errors.New("another datagram comes back")
		}
		return err
	}
}
