package uplink

import (
	"fmt"

	"github.com/google/nftables"
)

// silenced is the table of the packet filter with one chain for each interface whose packets the kernel must not take.
//
// The userspace datapath reads an interface beside the kernel, not in its place: without this, the node would get every packet
// for the moved addresses twice, once through the interface and once through the bridge.
var silenced = &nftables.Table{Name: "northbound", Family: nftables.TableFamilyNetdev}

// silence makes the kernel drop what comes in through an interface of the userspace datapath, after that has read it.
func (u *Uplinks) silence(nic, datapath string) error {
	if datapath != "netdev" {
		return u.unsilence(nic)
	}
	conn, err := u.Host.Nftables()
	if err != nil {
		return err
	}
	drop := nftables.ChainPolicyDrop
	found, err := chainOf(conn, nic)
	if err != nil || found != nil && found.Hooknum != nil && found.Policy != nil && *found.Policy == drop {
		return err
	}
	if found != nil { // Of a device that is gone, or changed by somebody.
		conn.DelChain(&nftables.Chain{Name: nic, Table: silenced})
	}
	conn.AddTable(silenced)
	conn.AddChain(&nftables.Chain{
		Name: nic, Table: silenced, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFilter,
		Policy: &drop, Device: nic,
	})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("keep the kernel from taking packets of %s: %w", nic, err)
	}
	return nil
}

// unsilence lets the kernel take what comes in through an interface.
func (u *Uplinks) unsilence(nic string) error {
	conn, err := u.Host.Nftables()
	if err != nil {
		return err
	}
	if found, err := chainOf(conn, nic); found == nil || err != nil {
		return err
	}
	conn.DelChain(&nftables.Chain{Name: nic, Table: silenced})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("let the kernel take packets of %s: %w", nic, err)
	}
	return nil
}

// chainOf is the chain of an interface, nil when there is none.
func chainOf(conn *nftables.Conn, nic string) (*nftables.Chain, error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		if c.Table.Name == silenced.Name && c.Name == nic {
			return c, nil
		}
	}
	return nil, nil
}
