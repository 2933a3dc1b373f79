package apiserver_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// monitor is a second pair of eyes on a Northbound database: a session of its own, as that of ovn-northd.
type monitor struct {
	session *ovsdb.Session
	rows    map[ovsdb.UUID]ovsdb.Row // as they were at first; of later ones only that they came
}

// newMonitor watches all tables but that of documents.
func newMonitor(t *testing.T, address string) *monitor {
	t.Helper()
	m := &monitor{session: ovntest.Dial(t, address), rows: map[ovsdb.UUID]ovsdb.Row{}}
	tables := map[string][]string{}
	for table, columns := range m.session.Schema() {
		if table != "Copp" {
			tables[table] = slices.Collect(maps.Keys(columns))
		}
	}
	initial, err := m.session.Monitor(t.Context(), tables, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range initial.Update.Tables {
		for _, r := range rows {
			m.rows[r.UUID] = r.Row
		}
	}
	return m
}

// told returns all that was told up to now: what the server has sent before it answers this echo.
func (m *monitor) told(t *testing.T) []ovsdb.Update {
	t.Helper()
	id, err := m.session.Echo()
	if err != nil {
		t.Fatal(err)
	}
	var out []ovsdb.Update
	for e := range m.session.Events() {
		switch {
		case e.Update != nil:
			out = append(out, *e.Update)
		case e.Reply.ID == id:
			return out
		}
	}
	t.Fatal(m.session.Err())
	return nil
}

// touched describes all rows that have changed since the last call: "insert NAT", "modify Logical_Router nat(1)", with the number of
// rows that a column of references has gained or lost.
func (m *monitor) touched(t *testing.T) []string {
	t.Helper()
	out := []string{}
	for _, update := range m.told(t) {
		for table, rows := range update.Tables {
			for _, r := range rows {
				switch r.Type {
				case ovsdb.Insert:
					out = append(out, "insert "+table)
				case ovsdb.Delete:
					out = append(out, "delete "+table)
				case ovsdb.Modify:
					text := "modify " + table
					for _, column := range slices.Sorted(maps.Keys(r.Row)) {
						text += " " + column
						if refs := r.Row[column].AsRefs(); len(refs) > 0 {
							text += fmt.Sprintf("(%d)", len(refs))
						}
					}
					out = append(out, text)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func (m *monitor) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, m.touched(t)); diff != "" {
		t.Errorf("%s touches other rows (-want +got):\n%s", what, diff)
	}
}

// A change of one of a thousand routes, or of one access rule, touches its row and the set that it is in, and no other.
func TestAChangeOfOneItemTouchesItsRow(t *testing.T) {
	s := apiservertest.Start(t)
	c := client(t, s)
	vpc := newVpc("vpc1")
	for i := range 1000 {
		vpc.Spec.StaticRoutes = append(vpc.Spec.StaticRoutes, v1.StaticRoute{CIDR: fmt.Sprintf("172.16.%d.%d/32", i/250, i%250), NextHopIP: "10.0.1.254"})
	}
	subnet := newSubnet("net1", "vpc1", "10.0.1.0/24")
	for i := range 100 {
		subnet.Spec.Acls = append(subnet.Spec.Acls, v1.ACL{Direction: v1.ACLToLport, Priority: int32(1100 + i), Match: fmt.Sprintf("ip4.src == 10.9.0.%d", i), Action: "drop"})
	}
	create(t, s, vpc, subnet)
	m := newMonitor(t, s.NBAddress)

	changeVpc := func(change func(*v1.Vpc)) {
		t.Helper()
		o, err := c.Vpcs().Get(t.Context(), "vpc1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(o)
		if _, err := c.Vpcs().Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	changeSubnet := func(change func(*v1.Subnet)) {
		t.Helper()
		o, err := c.Subnets().Get(t.Context(), "net1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(o)
		if _, err := c.Subnets().Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	changeVpc(func(o *v1.Vpc) {
		o.Spec.StaticRoutes = slices.Insert(o.Spec.StaticRoutes, 500, v1.StaticRoute{CIDR: "172.17.0.0/16", NextHopIP: "10.0.1.254"})
	})
	m.want(t, "a route more", "insert Logical_Router_Static_Route", "modify Logical_Router static_routes(1)")
	changeVpc(func(o *v1.Vpc) { o.Spec.StaticRoutes[500].ECMPMode = "ecmp-symmetric-reply" })
	m.want(t, "another mode of a route", "modify Logical_Router_Static_Route options")
	changeVpc(func(o *v1.Vpc) { o.Spec.StaticRoutes = slices.Delete(o.Spec.StaticRoutes, 0, 1) })
	m.want(t, "a route less", "delete Logical_Router_Static_Route", "modify Logical_Router static_routes(1)")
	changeVpc(func(o *v1.Vpc) { slices.Reverse(o.Spec.StaticRoutes) })
	m.want(t, "another order of the routes", []string{}...)

	changeSubnet(func(o *v1.Subnet) {
		o.Spec.Acls = slices.Insert(o.Spec.Acls, 50, v1.ACL{Direction: v1.ACLFromLport, Priority: 1000, Match: "ip4.dst == 10.9.1.1", Action: "drop"})
	})
	m.want(t, "a rule more", "insert ACL", "modify Logical_Switch acls(1)")
	changeSubnet(func(o *v1.Subnet) { o.Spec.Acls[50].Action = "allow-related" })
	m.want(t, "another action of a rule", "modify ACL action")
	changeSubnet(func(o *v1.Subnet) { o.Spec.Acls = slices.Delete(o.Spec.Acls, 0, 1) })
	m.want(t, "a rule less", "delete ACL", "modify Logical_Switch acls(1)")
}

// newNatWorld makes a Vpc with a way out, and the addresses of so many translations, which the n-th calls of the returned functions
// create: an OvnEip, and the OvnFip of it.
func newNatWorld(t *testing.T, s *apiservertest.Server) (newEip func(n int) *v1.OvnEip, newFip func(n int) *v1.OvnFip) {
	t.Helper()
	for _, o := range []struct{ resource, object string }{
		{"provider-networks", `{"kind":"ProviderNetwork","metadata":{"name":"external"},"spec":{"defaultInterface":"eth1"}}`},
		{"vlans", `{"kind":"Vlan","metadata":{"name":"external"},"spec":{"provider":"external","id":204}}`},
		{"subnets", `{"kind":"Subnet","metadata":{"name":"external"},"spec":{"vlan":"external","cidrBlock":"172.20.0.0/16"}}`},
		{"vpcs", `{"kind":"Vpc","metadata":{"name":"vpc1"},"spec":{"enableExternal":true}}`},
		{"subnets", `{"kind":"Subnet","metadata":{"name":"net1"},"spec":{"vpc":"vpc1","cidrBlock":"10.0.0.0/16"}}`},
	} {
		if r := do(t, s, "POST", groupPath+"/"+o.resource, `{"apiVersion":"kubeovn.io/v1",`+o.object[1:]); r.StatusCode != 201 {
			t.Fatalf("%s: %s", o.object, r.body)
		}
	}
	newEip = func(n int) *v1.OvnEip {
		return &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("eip-%d", n)}, Spec: v1.OvnEipSpec{ExternalSubnet: "external"}}
	}
	newFip = func(n int) *v1.OvnFip {
		return &v1.OvnFip{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("fip-%d", n)},
			Spec: v1.OvnFipSpec{OvnEip: fmt.Sprintf("eip-%d", n), Vpc: "vpc1", V4IP: fmt.Sprintf("10.0.%d.%d", 1+n/250, 1+n%250)}}
	}
	return newEip, newFip
}

// Sixteen clients create translations: each has its row when its creation is answered, as somebody else's session sees.
func TestATranslationIsThereWhenItsCreationIsAnswered(t *testing.T) {
	const clients, each = 16, 8
	s := apiservertest.Start(t)
	newEip, newFip := newNatWorld(t, s)
	var work sync.WaitGroup
	for i := range clients {
		c, m := client(t, s), newMonitor(t, s.NBAddress)
		work.Go(func() {
			for n := i * each; n < (i+1)*each; n++ {
				if _, err := c.OvnEips().Create(t.Context(), newEip(n), metav1.CreateOptions{}); err != nil {
					t.Error(err)
					return
				}
				fip, err := c.OvnFips().Create(t.Context(), newFip(n), metav1.CreateOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if !m.has(t, fip.Status.V4Eip, fip.Status.V4IP) {
					t.Errorf("%s: no row from %s to %s", fip.Name, fip.Status.V4Eip, fip.Status.V4IP)
				}
			}
		})
	}
	work.Wait()
}

// has reports whether a translation is among those that have come.
func (m *monitor) has(t *testing.T, external, internal string) bool {
	for _, update := range m.told(t) {
		for _, r := range update.Tables["NAT"] {
			m.rows[r.UUID] = r.Row
		}
	}
	for _, row := range m.rows {
		if row["external_ip"].AsString() == external && row["logical_ip"].AsString() == internal {
			return true
		}
	}
	return false
}

// What the creation of a translation touches does not depend on how many there are.
func TestATranslationTouchesTheSameRowsHoweverManyThereAre(t *testing.T) {
	s := apiservertest.Start(t)
	newEip, newFip := newNatWorld(t, s)
	c := client(t, s)
	m := newMonitor(t, s.NBAddress)
	for n := range 200 {
		if _, err := c.OvnEips().Create(t.Context(), newEip(n), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		m.want(t, fmt.Sprintf("address %d", n), []string{}...)
		if _, err := c.OvnFips().Create(t.Context(), newFip(n), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		m.want(t, fmt.Sprintf("translation %d", n), "insert NAT", "modify Logical_Router nat(1)")
		if t.Failed() {
			return
		}
	}
}
