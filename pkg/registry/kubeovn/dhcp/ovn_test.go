package dhcp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// added are the options that OVN has and users do not give: the address of the interface, and what 25.03 has and 23.03 has not.
var added = []string{"offerip", "ia_addr", "bootfile_name", "bootfile_name_alt", "fqdn"}

// TestTablesAreOVNs holds names and types to what ovn-northd writes into every Southbound database.
func TestTablesAreOVNs(t *testing.T) {
	nb := ovntest.NB(t, ovntest.Northd())
	ovntest.Nbctl(t, nb.NBAddress(), "--wait=sb", "sync")
	for table, ours := range map[string]map[string]option{"DHCP_Options": v4, "DHCPv6_Options": v6} {
		theirs := map[string]string{}
		for _, row := range ovntest.SouthboundRows(t, nb.SBAddress(), table, "name", "type") {
			theirs[row["name"].AsString()] = row["type"].AsString()
		}
		for name, o := range ours {
			if theirs[name] != o.typ {
				t.Errorf("%s %s: type %q, OVN has %q", table, name, o.typ, theirs[name])
			}
		}
		for name := range theirs {
			if _, known := ours[name]; !known && !slices.Contains(added, name) {
				t.Errorf("%s has %s, which the table does not have", table, name)
			}
		}
	}
}

// values are of every type, right and wrong: each is tried with each option.
var values = []string{
	"0", "1", "8", "68", "255", "256", "1400", "65535", "65536", "4294967295", "4294967296", "-1", "0x10", "abc", "true", "false",
	"10.0.1.1", "10.0.1.254", "10.9.9.9", "255.255.255.0", "255.255.255.255", "0.0.0.0", "fd00::a", "fe80::1", "10.0.1.0/24",
	"{10.0.1.1,10.0.1.2}", "{10.0.1.1;10.0.1.2}", "{10.0.1.1 10.0.1.2}", "{fd00::a,fd00::b}", "{10.1.0.0/16,10.0.1.1}", "{0.0.0.0/0;10.0.1.1;10.1.0.0/16;10.0.1.2}",
	"0a:00:00:00:00:01", "0A:00:00:00:00:FF", "0a-00-00-00-00-01",
	`"corp.example"`, `"a.example,b.example"`, `"http://boot.example:80/a,b;c?d=e&f={g}#h"`, `"8.8.8.8"`, `"%s%d"`, `"a b"`, `""`, `"a\"b"`, `"^vip"`, `{"a.example";"b.example"}`,
	`"x"); ip4.src = 10.0.0.1; next; ("y"`, "1); next; //",
	"slaac", "dhcpv6_stateful", "dhcpv6_stateless", "HIGH", "MEDIUM", "LOW", `"HIGH-fd00::/64,LOW-fd01::/48"`, "MEDIUM-fd00::/64", "4", "5", "30", "1500", "600",
}

// accepted returns the sets of options that a field accepts: each option with each value, and one with a value of each.
func accepted(field string, names []string) []map[string]string {
	var all []map[string]string
	var together []string
	for _, name := range names {
		found := false
		for _, value := range values {
			options, err := readers[field](name + "=" + value)
			if err != nil || len(options) == 0 {
				continue
			}
			all = append(all, options)
			if whole := append(together, name+"="+value); !found {
				if _, err := readers[field](strings.Join(whole, ",")); err == nil {
					together, found = whole, true
				}
			}
		}
	}
	if options, err := readers[field](strings.Join(together, ",")); err == nil {
		all = append(all, options)
	}
	return all
}

// TestOVNReadsWhatIsAccepted gives every accepted option to ovn-northd and reads the logical flows that it makes.
func TestOVNReadsWhatIsAccepted(t *testing.T) {
	nb := ovntest.NB(t, ovntest.Northd())
	txn := ovsdb.NewTxn(ovn.NorthboundDatabase)
	four := accepted("v4", append(slices.Sorted(maps.Keys(v4)), serverMAC))
	six := accepted("v6", append(slices.Sorted(maps.Keys(v6)), stateless))
	router := accepted("ra", slices.Sorted(maps.Keys(advertisements)))
	if len(four) < 150 || len(six) < 8 || len(router) < 20 {
		t.Errorf("only %d, %d and %d sets of options", len(four), len(six), len(router))
	}
	var ports []ovsdb.UUID
	for i := range max(len(four), len(six)) {
		port := ovsdb.Row{
			"name":      ovsdb.String(fmt.Sprintf("p%d", i)),
			"addresses": ovsdb.Strings(fmt.Sprintf("0a:00:00:00:%02x:%02x 10.0.1.%d fd00::%x", i/200, i%200, 2+i%200, 2+i)),
		}
		if i < len(four) {
			port["dhcpv4_options"] = insertOptions(txn, "10.0.1.0/24", four[i], map[string]string{"server_id": "10.0.1.1", "server_mac": "0a:00:00:00:00:01", "lease_time": "3600", "router": "10.0.1.1", "mtu": "1400"})
		}
		if i < len(six) {
			port["dhcpv6_options"] = insertOptions(txn, "fd00::/64", six[i], map[string]string{"server_id": "0a:00:00:00:00:01"})
		}
		ports = append(ports, ovsdb.NewUUID())
		txn.Insert("Logical_Switch_Port", ports[i], port)
	}
	txn.Insert("Logical_Switch", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("switch"), "ports": ovsdb.Refs(ports...)})
	insertRouter(txn, router)
	if _, err := ovsdb.Transact(t.Context(), ovntest.Dial(t, nb.NBAddress()), txn); err != nil {
		t.Fatal(err)
	}
	ovntest.Nbctl(t, nb.NBAddress(), "--wait=sb", "sync")
	flows := map[string]int{}
	for _, f := range ovntest.Flows(t, nb.SBAddress()) {
		for _, action := range []string{"put_dhcp_opts(", "put_dhcpv6_opts(", "put_nd_ra_opts("} {
			if strings.Contains(f.Actions, action) {
				flows[action]++
			}
		}
	}
	for action, want := range map[string]int{"put_dhcp_opts(": len(four), "put_dhcpv6_opts(": len(six), "put_nd_ra_opts(": len(router)} {
		if flows[action] < want {
			t.Errorf("%d flows with %s, %d sets of options", flows[action], action, want)
		}
	}
	for _, complaint := range ovntest.UnreadFlows(t, nb.SBAddress()) {
		t.Error(complaint)
	}
}

func insertOptions(txn *ovsdb.Txn, cidr string, options, defaults map[string]string) ovsdb.Value {
	row := ovsdb.NewUUID()
	all := maps.Clone(defaults)
	maps.Copy(all, options)
	txn.Insert("DHCP_Options", row, ovsdb.Row{"cidr": ovsdb.String(cidr), "options": ovsdb.Map(all)})
	return ovsdb.Ref(row)
}

// insertRouter adds a router with a port, on a switch of its own, for each set of parameters.
func insertRouter(txn *ovsdb.Txn, sets []map[string]string) {
	var ports []ovsdb.UUID
	for i, set := range sets {
		all := map[string]string{"address_mode": "slaac", "send_periodic": "true", "mtu": "1400"}
		maps.Copy(all, set)
		ports = append(ports, ovsdb.NewUUID())
		txn.Insert("Logical_Router_Port", ports[i], ovsdb.Row{
			"name": ovsdb.String(fmt.Sprintf("rp%d", i)), "mac": ovsdb.String(fmt.Sprintf("0a:00:00:01:00:%02x", i)),
			"networks": ovsdb.Strings(fmt.Sprintf("fd00:%x::1/64", i+1)), "ipv6_ra_configs": ovsdb.Map(all),
		})
		patch := ovsdb.NewUUID()
		txn.Insert("Logical_Switch_Port", patch, ovsdb.Row{
			"name": ovsdb.String(fmt.Sprintf("sp%d", i)), "type": ovsdb.String("router"), "addresses": ovsdb.Strings("router"),
			"options": ovsdb.Map(map[string]string{"router-port": fmt.Sprintf("rp%d", i)}),
		})
		txn.Insert("Logical_Switch", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String(fmt.Sprintf("s%d", i)), "ports": ovsdb.Refs(patch)})
	}
	txn.Insert("Logical_Router", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("router"), "ports": ovsdb.Refs(ports...)})
}
