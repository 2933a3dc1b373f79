package dataplane

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/test/testbed"
)

// A client of UDP that keeps its socket is one connection for OVN, which must follow its rule. The client pauses while the hosts take
// the change over: a packet on the old way, which Open vSwitch's caches still know for an instant, would renew the old connection.
func TestUDPClientsFollowTheirRuleWithOneSocket(t *testing.T) {
	for _, test := range []struct {
		name, vip       string
		of              func(*testbed.Pod) string
		next, port, who string
	}{
		{"another back end over IPv4", "1.1.1.1", (*testbed.Pod).V4, "b", "80", "b"},
		{"another back end over IPv6", "fd00:99::1", (*testbed.Pod).V6, "b", "80", "b"},
		{"another port over IPv4", "1.1.1.1", (*testbed.Pod).V4, "a", "22", "a"},
		{"another port over IPv6", "fd00:99::1", (*testbed.Pod).V6, "a", "22", "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := bed.Begin(t)
			s.Apply(twoSubnets)
			pods := map[string]*testbed.Pod{"a": s.Pod(s.Hosts[0], "a.ns1", "net1"), "b": s.Pod(s.Hosts[1], "b.ns1", "net1")}
			first, c := test.of(pods["a"]), s.Pod(s.Hosts[2], "c.ns1", "net2")
			s.Apply(`{kind: SwitchLBRule, metadata: {name: udp, annotations: {ovn.kubernetes.io/vpc: v1}}, spec: {vip: "` + test.vip +
				`", namespace: ns1, endpoints: ["` + first + `"], ports: [{name: u, port: 80, targetPort: 80, protocol: UDP}]}}`)
			s.Settle()
			older, socket := dialUDP(t, c, net.JoinHostPort(first, "22")), dialUDP(t, c, net.JoinHostPort(test.vip, "80"))
			s.Eventually(older.answers("a"))
			s.Eventually(socket.answers("a"))
			if !tracked(s, c, older) || !tracked(s, c, socket) {
				t.Fatalf("connections are not tracked: %q", s.Connections(c.Host))
			}

			s.Patch("SwitchLBRule", "udp", `{"spec":{"endpoints":["`+test.of(pods[test.next])+`"],"ports":[{"name":"u","port":80,"targetPort":`+test.port+`,"protocol":"UDP"}]}}`)
			s.Eventually(func() error {
				if tracked(s, c, socket) {
					return errors.New("the connection to the old back end is tracked")
				}
				return nil
			})
			if !tracked(s, c, older) {
				t.Fatal("connections have gone by their timeout")
			}
			s.ExpectAnswers(c, "udp "+net.JoinHostPort(test.vip, "80"), 4, test.who+" sees "+test.of(c))
			s.Eventually(socket.answers(test.who))
		})
	}
}

// udpSocket is a client of UDP with one socket.
type udpSocket struct{ net.Conn }

func dialUDP(t *testing.T, from *testbed.Pod, to string) udpSocket {
	t.Helper()
	var s udpSocket
	if err := from.Do(func() (err error) { s.Conn, err = net.Dial("udp", to); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask sends a packet and returns the answer.
func (s udpSocket) ask() (string, error) {
	if err := s.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := s.Write([]byte("?")); err != nil {
		return "", err
	}
	buffer := make([]byte, 2048)
	n, err := s.Read(buffer)
	return string(buffer[:n]), err
}

// answers returns a question for Eventually: whether the station of a name answers.
func (s udpSocket) answers(name string) func() error {
	return func() error {
		got, err := s.ask()
		if err == nil && !strings.HasPrefix(got, name+" ") {
			err = fmt.Errorf("%q answers, want %s", got, name)
		}
		return err
	}
}

// tracked reports whether the switch of a pod tracks the connection of one of its sockets.
func tracked(s *testbed.Scenario, p *testbed.Pod, socket udpSocket) bool {
	_, port, _ := net.SplitHostPort(socket.LocalAddr().String())
	return slices.ContainsFunc(s.Connections(p.Host), func(line string) bool {
		return strings.HasPrefix(line, "udp,orig=(src="+addressOf(socket.LocalAddr())+",") && strings.Contains(line, ",sport="+port+",")
	})
}

func addressOf(a net.Addr) string {
	host, _, _ := net.SplitHostPort(a.String())
	return host
}
