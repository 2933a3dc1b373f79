package scenarios

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// apart are the tables that are not what networks are made of: Copp holds the API objects themselves, and every tool that
// connects makes NB_Global's row.
var apart = []string{"Copp", "NB_Global"}

// database is the rows of a Northbound database by table, without those apart.
type database map[string]map[ovsdb.UUID]ovsdb.Row

func readDatabase(t *testing.T, address string) database {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	session, err := ovsdb.Dial(ctx, ovsdb.Options{Addresses: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	tables := map[string][]string{}
	for table, columns := range session.Schema() {
		if !slices.Contains(apart, table) {
			tables[table] = slices.Sorted(maps.Keys(columns))
		}
	}
	initial, err := session.Monitor(ctx, tables, "")
	if err != nil {
		t.Fatal(err)
	}
	d := database{}
	for table, rows := range initial.Update.Tables {
		d[table] = map[ovsdb.UUID]ovsdb.Row{}
		for _, row := range rows {
			d[table][row.UUID] = row.Row
		}
	}
	return d
}

// row is one row of a database, readable.
type row struct {
	table, name   string
	parent, owner string
	columns       map[string]column
}

// column is a value as atoms: those of a set, or key=value each of a map, or the only one.
type column struct {
	atoms    []string
	multiple bool
}

func (c column) String() string {
	quoted := make([]string, len(c.atoms))
	for i, a := range c.atoms {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

func quote(atom string) string {
	if atom == "" || strings.ContainsAny(atom, " \n\t\"") {
		return strconv.Quote(atom)
	}
	return atom
}

// parts are the columns whose rows belong to the row that refers to them, and are gone with it.
var parts = map[string][]string{
	"Logical_Switch":      {"ports", "acls", "qos_rules", "forwarding_groups"},
	"Logical_Router":      {"ports", "static_routes", "policies", "nat"},
	"Logical_Router_Port": {"gateway_chassis"},
	"Port_Group":          {"acls"},
	"Load_Balancer":       {"health_check"},
	"HA_Chassis_Group":    {"ha_chassis"},
}

// distinguishing are the columns that together tell one row of a table from the others where the row has no name.
var distinguishing = map[string][]string{
	"ACL":                         {"direction", "priority", "match"},
	"BFD":                         {"logical_port", "dst_ip"},
	"DHCP_Options":                {"cidr"},
	"HA_Chassis":                  {"chassis_name"},
	"Load_Balancer_Health_Check":  {"vip"},
	"Logical_Router_Policy":       {"priority", "match"},
	"Logical_Router_Static_Route": {"ip_prefix", "nexthop"},
	"NAT":                         {"type", "external_ip", "logical_ip"},
	"Static_MAC_Binding":          {"logical_port", "ip"},
}

// readable turns rows into what a person calls them, references included.
func (d database) readable() map[ovsdb.UUID]*row {
	rows := map[ovsdb.UUID]*row{}
	for table, members := range d {
		for id, values := range members {
			r := &row{table: table, columns: map[string]column{}}
			for name, value := range values {
				r.columns[name] = parseValue(value)
			}
			r.identify()
			rows[id] = r
		}
	}
	for table, members := range d {
		for id := range members {
			for name, c := range rows[id].columns {
				part := slices.Contains(parts[table], name)
				for i, atom := range c.atoms {
					target := referenced(rows, atom)
					if target == nil {
						continue
					}
					c.atoms[i] = target.name
					if part {
						target.parent = table + " " + rows[id].name
					}
				}
				slices.Sort(c.atoms)
				if part {
					delete(rows[id].columns, name) // said at the other end
				}
			}
		}
	}
	return rows
}

func referenced(rows map[ovsdb.UUID]*row, atom string) *row {
	id, err := ovsdb.ParseUUID(atom)
	if err != nil {
		return nil
	}
	return rows[id]
}

// identify takes the name and the owner out of the columns.
func (r *row) identify() {
	keys := []string{"name"}
	if named := r.columns["name"]; len(named.atoms) == 0 || named.atoms[0] == "" {
		keys = distinguishing[r.table]
	}
	var words []string
	for _, key := range keys {
		words = append(words, r.columns[key].String())
		delete(r.columns, key)
	}
	r.name = strings.Join(words, " ")

	tags, rest := map[string]string{}, column{multiple: true}
	for _, atom := range r.columns["external_ids"].atoms {
		key, value, _ := strings.Cut(atom, "=")
		switch key {
		case "vendor", "kubeovn.io/owner", "kubeovn.io/row":
			tags[key] = value
		default:
			rest.atoms = append(rest.atoms, atom)
		}
	}
	if len(tags) != 3 || tags["vendor"] != "kube-ovn" {
		return // not marked as all rows of ours are: all is shown
	}
	r.owner = tags["kubeovn.io/owner"]
	if delete(r.columns, "external_ids"); len(rest.atoms) > 0 {
		r.columns["external_ids"] = rest
	}
}

// parseValue reads the notation of RFC 7047 section 5.1.
func parseValue(value ovsdb.Value) column {
	decoder := json.NewDecoder(strings.NewReader(string(value)))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		panic(err) // the database sent it
	}
	pair, ok := v.([]any)
	if !ok || pair[0] == "uuid" {
		return column{atoms: []string{atom(v)}}
	}
	c := column{multiple: true}
	for _, member := range pair[1].([]any) {
		if pair[0] == "map" {
			entry := member.([]any)
			c.atoms = append(c.atoms, atom(entry[0])+"="+atom(entry[1]))
		} else {
			c.atoms = append(c.atoms, atom(member))
		}
	}
	slices.Sort(c.atoms)
	return c
}

func atom(v any) string {
	if pair, ok := v.([]any); ok {
		return pair[1].(string) // ["uuid", …]
	}
	return fmt.Sprint(v)
}

// difference is what happened between two readings of a database.
func difference(before, after database) string {
	old, now := before.readable(), after.readable()
	var entries []string
	add := func(sign string, r *row, lines []string) {
		head := sign + " " + r.table + " " + r.name
		if r.parent != "" {
			head += ", of " + r.parent
		}
		if r.owner != "" {
			head += ", for " + r.owner
		}
		entries = append(entries, r.table+"\x00"+r.name+"\x00"+strings.Join(append([]string{head}, lines...), "\n")+"\n")
	}
	for id, r := range old {
		if now[id] == nil {
			add("-", r, nil)
		}
	}
	for id, r := range now {
		if old[id] == nil {
			add("+", r, r.lines())
		} else if lines := changes(old[id], r); lines != nil {
			add("~", r, lines)
		}
	}
	slices.Sort(entries)
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e[strings.LastIndexByte(e, 0)+1:])
	}
	return b.String()
}

func (r *row) lines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(r.columns)) {
		lines = append(lines, "    "+name+": "+r.columns[name].String())
	}
	return lines
}

// changes are the lines about a row that was there before.
func changes(old, now *row) []string {
	var lines []string
	if old.name != now.name {
		lines = append(lines, "    was "+old.name)
	}
	if old.owner != now.owner || old.parent != now.parent {
		lines = append(lines, fmt.Sprintf("    was of %s, for %s", cmp.Or(old.parent, "none"), cmp.Or(old.owner, "nobody")))
	}
	names := slices.Sorted(maps.Keys(old.columns))
	names = append(names, slices.Sorted(maps.Keys(now.columns))...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, is := old.columns[name], now.columns[name]
		if slices.Equal(was.atoms, is.atoms) {
			continue
		}
		if !was.multiple && !is.multiple {
			lines = append(lines, fmt.Sprintf("    %s: %s, was %s", name, cmp.Or(is.String(), "none"), cmp.Or(was.String(), "none")))
			continue
		}
		for _, a := range was.atoms {
			if !slices.Contains(is.atoms, a) {
				lines = append(lines, "    "+name+": - "+quote(a))
			}
		}
		for _, a := range is.atoms {
			if !slices.Contains(was.atoms, a) {
				lines = append(lines, "    "+name+": + "+quote(a))
			}
		}
	}
	return lines
}
