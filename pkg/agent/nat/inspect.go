package nat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Counters are the connections and their first packets' bytes.
type Counters struct{ Connections, Bytes uint64 }

// Translated are, for each Subnet, the connections whose sources were translated since the table was last replaced.
func Translated(c *nftables.Conn) (map[string]Counters, error) {
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, err
	}
	out := map[string]Counters{}
	for _, chain := range chains {
		subnet, ours := strings.CutPrefix(chain.Name, ChainOf(""))
		if chain.Table.Name != Name || !ours {
			continue
		}
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			return nil, err
		}
		total := out[subnet]
		for _, r := range rules {
			if n, ok := translates(r); ok {
				total.Connections += n.Packets
				total.Bytes += n.Bytes
			}
		}
		out[subnet] = total
	}
	return out, nil
}

// translates returns what a rule has counted, if it translates.
func translates(r *nftables.Rule) (*expr.Counter, bool) {
	var counter *expr.Counter
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
			counter = e
		case *expr.Masq, *expr.NAT:
			return counter, counter != nil
		}
	}
	return nil, false
}

// number is the text of a number that need not be there.
func number[T ~uint32 | ~int32](n *T) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}

// Fingerprint is a text that changes when somebody changes the table, and that does not change because packets are counted.
// It is empty when there is no table.
func Fingerprint(c *nftables.Conn) (string, error) {
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == Name })
	if at < 0 {
		return "", nil
	}
	table := tables[at]
	var text strings.Builder
	fmt.Fprintf(&text, "flags %d\n", table.Flags)
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", err
	}
	chains = slices.DeleteFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name != Name })
	slices.SortFunc(chains, func(x, y *nftables.Chain) int { return cmp.Compare(x.Name, y.Name) })
	for _, chain := range chains {
		fmt.Fprintf(&text, "chain %s %s hook %s priority %s policy %s\n", chain.Name, chain.Type, number(chain.Hooknum), number(chain.Priority), number(chain.Policy))
		rules, err := c.GetRules(table, chain)
		if err != nil {
			return "", err
		}
		for _, r := range rules {
			for _, e := range r.Exprs {
				if _, counter := e.(*expr.Counter); counter {
					continue
				}
				b, err := expr.Marshal(byte(table.Family), e)
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&text, "%x ", b)
			}
			text.WriteByte('\n')
		}
	}
	sets, err := c.GetSets(table)
	if err != nil {
		return "", err
	}
	for _, s := range sets {
		fmt.Fprintf(&text, "set %s\n", s.Name)
		elements, err := c.GetSetElements(s)
		if err != nil {
			return "", err
		}
		for _, e := range elements {
			fmt.Fprintf(&text, "%x %t %x %+v\n", e.Key, e.IntervalEnd, e.Val, e.VerdictData)
		}
	}
	return text.String(), nil
}
