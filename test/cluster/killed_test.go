//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// victim is a program that the test kills. The argument tells it from others of its name.
type victim struct {
	program, argument string
	// harmless says that pods that run talk as if nothing had happened.
	harmless bool
}

func (v victim) String() string { return strings.TrimSuffix(v.program+" "+v.argument, " ") }

// plugin is killed in the middle of an addition.
var plugin = victim{program: "kube-ovn"}

var victims = []victim{
	{program: "northbound-agent", harmless: true},
	{program: "northbound-apiserver", harmless: true},
	{program: "northbound-controller", harmless: true},
	plugin,
	{program: "ovn-controller"},
	{program: "ovs-vswitchd"},
	{program: "ovn-northd"},
	{program: "ovsdb-server", argument: "ovnnb.db"},
	{program: "ovsdb-server", argument: "ovnsb.db"},
	{program: "ovsdb-server", argument: "conf.db"},
}

const (
	// recovery is how long a pod may be without its network after a death.
	recovery = 30 * time.Second
	// interruption is a silence that says more than that pods come and go: a new port on the userspace data path costs a message
	// or two, a data path that starts again more than three seconds.
	interruption = 2 * time.Second
)

// TestKilledProgramsLeaveEveryPodWithItsNetwork kills each once; $NORTHBOUND_KILL_ROUNDS says otherwise.
func TestKilledProgramsLeaveEveryPodWithItsNetwork(t *testing.T) {
	rounds := len(victims)
	if text := os.Getenv("NORTHBOUND_KILL_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	before := leftovers(t)
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	k, talks := newKilling(t, seed)
	var order []int
	caught, plugins := 0, 0
	for round := range rounds {
		if len(order) == 0 {
			order = k.random.Perm(len(victims))
		}
		v := victims[order[0]]
		order = order[1:]
		begin, where := k.round(round, v)
		if v == plugin {
			plugins++
			caught += len(where)
		}
		k.recovered()
		took := time.Since(begin)
		t.Logf("%s on %v: all is well after %v", v, where, took.Round(100*time.Millisecond))
		if took > recovery {
			t.Errorf("%s on %v: all is well after %v only", v, where, took.Round(100*time.Millisecond))
		}
		for _, talk := range talks {
			lost, first, longest := talk.lost(begin)
			if lost == 0 {
				continue
			}
			t.Logf("  %s: %d messages lost, the first after %v, the longest silence is %v",
				talk.name, lost, first.Sub(begin).Round(10*time.Millisecond), longest.Round(10*time.Millisecond))
			if v.harmless && longest > interruption {
				t.Errorf("%s on %v: %s is interrupted", v, where, talk.name)
			}
		}
	}
	if plugins > 0 {
		t.Logf("the plugin was killed in the middle of an addition in %d of %d rounds", caught, plugins)
		if caught == 0 {
			t.Error("the plugin was never caught")
		}
	}
	eventually(t, "each pod's address, ports and nothing else", k.exact)
	removeNamespace(t, k.ns)
	nothingLeft(t, before)
}

// killing is what the rounds share.
type killing struct {
	*testing.T
	ns     string
	random *rand.Rand
	hosts  map[string]*processes // by node
	living []string
	places map[string]*place // of the living, by name
}

// newKilling makes a pod that stays on each of two nodes, and lets them talk.
func newKilling(t *testing.T, seed uint64) (*killing, []*talk) {
	t.Helper()
	k := &killing{T: t, ns: namespace(t), random: rand.New(rand.NewPCG(seed, 1)), hosts: map[string]*processes{}, places: map[string]*place{}}
	for node := range nodes {
		k.hosts[node] = processesOf(t, node)
	}
	for i, node := range []string{node1, node2} {
		name := fmt.Sprintf("fixed-%d", i+1)
		started(t, k.ns, name, node, nil)
		k.living = append(k.living, name)
		k.places[name] = k.place(name)
	}
	k.recovered()
	return k, []*talk{
		startTalk(t, "pod to pod", k.places["fixed-1"], k.places["fixed-2"]),
		startTalk(t, "node to pod", k.hosts[node1].place(t), k.places["fixed-2"]),
	}
}

func TestPodsThatRunLoseNoPacketWhenAgentsServersAndControllersDie(t *testing.T) {
	k, talks := newKilling(t, 1)
	for _, v := range victims {
		if !v.harmless {
			continue
		}
		begin := time.Now()
		for node, host := range k.hosts {
			if !host.kill(t, v) {
				t.Errorf("%s does not run on %s", v, node)
			}
		}
		eventually(t, "another "+v.program+" on each node", func(ctx context.Context) error {
			pods, err := kube.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: labels.Set{"app.kubernetes.io/name": v.program}.String()})
			if err != nil {
				return err
			}
			for _, p := range pods.Items {
				c := p.Status.ContainerStatuses
				if !isReady(&p) || len(c) == 0 || c[0].State.Running == nil || c[0].State.Running.StartedAt.Add(time.Second).Before(begin) {
					return fmt.Errorf("%s is not ready again", p.Name)
				}
			}
			return nil
		})
		for _, talk := range talks {
			if lost, first, longest := talk.lost(begin); lost > 0 {
				t.Errorf("%s: %s: %d messages lost, the first after %v, the longest silence is %v", v, talk.name, lost, first.Sub(begin), longest)
			}
		}
		t.Logf("%s: back after %v", v, time.Since(begin).Round(100*time.Millisecond))
	}
}

// round makes a pod, deletes another, and kills. It returns when that was, and on which nodes.
func (k *killing) round(round int, v victim) (begin time.Time, where []string) {
	k.Helper()
	node, other := node1, node2
	if k.random.IntN(2) == 0 {
		node, other = node2, node1
	}
	name := fmt.Sprintf("round-%d", round)
	if v == plugin {
		for attempt := range 5 { // it is done within a few hundredths of a second
			end := k.hosts[node].killPlugin(k.T, time.Duration(k.random.IntN(20))*time.Millisecond)
			name := fmt.Sprintf("%s-%d", name, attempt)
			started(k.T, k.ns, name, node, nil)
			k.living = append(k.living, name)
			k.remove()
			if begin = end(); !begin.IsZero() {
				return begin, []string{node}
			}
		}
		return time.Now(), nil
	}
	start(k.T, k.ns, name, []string{node1, node2}[k.random.IntN(2)], nil)
	k.living = append(k.living, name)
	k.remove()
	time.Sleep(time.Duration(k.random.IntN(1500)) * time.Millisecond) // the random instant
	begin = time.Now()
	if k.hosts[node].kill(k.T, v) {
		where = []string{node}
	}
	// OVN's databases are on one node. Of what is on both, sometimes all die.
	if len(where) == 0 || k.random.IntN(3) == 0 {
		if k.hosts[other].kill(k.T, v) {
			where = append(where, other)
		}
	}
	if len(where) == 0 {
		k.Errorf("%s runs on no node", v)
	}
	return begin, where
}

// remove deletes the oldest pod of the rounds when there are three.
func (k *killing) remove() {
	k.Helper()
	if len(k.living) < 5 {
		return
	}
	gone := k.living[2]
	k.living = slices.Delete(k.living, 2, 3)
	delete(k.places, gone)
	now := int64(0)
	if err := kube.CoreV1().Pods(k.ns).Delete(k.Context(), gone, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		k.Fatal(err)
	}
}

// recovered waits until every pod talks with the two that stay.
func (k *killing) recovered() {
	k.Helper()
	for _, name := range k.living {
		address := ready(k.T, k.ns, name)
		p := k.places[name]
		if p == nil {
			p = k.place(name)
			k.places[name] = p
		}
		if p.address != address {
			k.Errorf("%s had the address %s, and has %s", name, p.address, address)
		}
		for _, fixed := range k.living[:2] {
			eventually(k.T, name+" and "+fixed, func(ctx context.Context) error {
				return errors.Join(p.get(ctx, k.places[fixed].address, fixed), k.places[fixed].get(ctx, p.address, name))
			})
		}
	}
}

// exact says what is not exactly as it should be: one IP, one logical port and one port on one node for each living pod.
func (k *killing) exact(ctx context.Context) error {
	pods, err := kube.CoreV1().Pods(k.ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ips, err := north.KubeovnV1().IPs().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	want, got := map[string]string{}, map[string]string{}
	for _, p := range pods.Items {
		name := p.Name + "." + k.ns
		want["IP "+name] = fmt.Sprint(p.UID, p.Status.PodIP, p.Spec.NodeName)
		want["logical port "+name] = p.Status.PodIP
		want["port "+name] = p.Spec.NodeName
	}
	if len(pods.Items) != len(k.living) {
		return fmt.Errorf("there are %d pods, want %d", len(pods.Items), len(k.living))
	}
	for _, ip := range ips.Items {
		if ip.Spec.Namespace == k.ns {
			got["IP "+ip.Name] = fmt.Sprint(ip.Spec.PodUID, ip.Spec.V4IPAddress, ip.Spec.NodeName)
		}
	}
	// More than one is told by all of their values together.
	add := func(key, value string) { got[key] = strings.TrimPrefix(got[key]+" "+value, " ") }
	text, err := inPod(ctx, system, "ovn-central-0/nb", "ovn-nbctl", "--bare", "--columns=name,addresses", "list", "Logical_Switch_Port")
	if err != nil {
		return err
	}
	for port := range strings.SplitSeq(text, "\n\n") {
		if f := strings.Fields(port); len(f) > 0 && strings.HasSuffix(f[0], "."+k.ns) {
			add("logical port "+f[0], f[len(f)-1])
		}
	}
	all, err := kube.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: labels.Set{"app.kubernetes.io/name": "ovn-node"}.String()})
	if err != nil {
		return err
	}
	for _, p := range all.Items {
		text, err := inPod(ctx, system, p.Name+"/ovs-vswitchd", "ovs-vsctl", "--bare", "--columns=external_ids", "list", "Interface")
		if err != nil {
			return err
		}
		for id := range strings.FieldsSeq(text) {
			if port, ok := strings.CutPrefix(id, "iface-id="); ok && strings.HasSuffix(port, "."+k.ns) {
				add("port "+port, p.Spec.NodeName)
			}
		}
	}
	var errs []error
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if want[key] != got[key] {
			errs = append(errs, fmt.Errorf("%s: got %q, want %q", key, got[key], want[key]))
		}
	}
	return errors.Join(errs...)
}

// place is where a pod is.
func (k *killing) place(pod string) *place {
	k.Helper()
	p, err := kube.CoreV1().Pods(k.ns).Get(k.Context(), pod, metav1.GetOptions{})
	if err != nil {
		k.Fatal(err)
	}
	return podPlace(k.T, p)
}
