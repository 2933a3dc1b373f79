package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/nftables"

	"net/netip"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/nat"
)

// translation is the owner of the table of the packet filter.
type translation struct {
	host     *host.Host
	network  func() network
	services []netip.Prefix
	fronts   func() []nat.Front
	probes   *probes // nil when there is no proxy for them

	// applied is what was last applied, and found what the kernel then had.
	applied *nat.Config
	found   string
	// tracker makes connections of UDP follow the table.
	tracker nat.Tracker
}

// sync replaces the table when something else is wanted, or when somebody changed it.
func (t *translation) sync(context.Context) error {
	n := t.network()
	if !n.join.V4.IsValid() && !n.join.V6.IsValid() {
		return fmt.Errorf("the Subnet of the nodes is not known yet")
	}
	conn, err := t.host.Nftables()
	if err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	want := nat.Config{
		Port: portName, Overlay: slices.Concat(n.pods, n.join.All(), t.services), Nodes: n.nodes, Subnets: n.translated,
		Services: t.services, Fronts: t.fronts(), Centralized: n.centralized,
	}
	ways := t.probes.current()
	want.ProxyPort, want.Redirected, want.Refused = t.probes.port(), ways.redirected, ways.refused
	if t.applied != nil && reflect.DeepEqual(*t.applied, want) {
		now, err := nat.Fingerprint(conn)
		if err == nil && now == t.found {
			return t.follow(want)
		}
	}
	if err := nat.Apply(conn, want); err != nil {
		return err
	}
	if t.found, err = nat.Fingerprint(conn); err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	t.applied = &want
	return t.follow(want)
}

// follow ends connections that do not follow the table.
func (t *translation) follow(applied nat.Config) error {
	if err := t.tracker.Follow(t.host, applied); err != nil {
		return fmt.Errorf("tracked connections: %w", err)
	}
	return nil
}

// watch calls notify whenever somebody has changed the table, until the context ends or the kernel's messages cannot be
// followed any more.
func (t *translation) watch(ctx context.Context, notify func()) error {
	conn, err := t.host.Nftables()
	if err != nil {
		return err
	}
	monitor := nftables.NewMonitor(nftables.WithMonitorEventBuffer(16))
	events, err := conn.AddGenerationalMonitor(monitor)
	if err != nil {
		return fmt.Errorf("subscribe to changes of the packet filter: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = monitor.Close() })
	defer stop()
	defer monitor.Close()
	notify()
	for e := range events {
		if e.GeneratedBy != nil && e.GeneratedBy.Error != nil {
			err = e.GeneratedBy.Error
		}
		if slices.ContainsFunc(e.Changes, concernsTable) {
			notify()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("changes of the packet filter: the subscription ended: %w", err)
}

// concernsTable says whether a change may be one of the agent's table.
func concernsTable(e *nftables.MonitorEvent) bool {
	switch changed := e.Data.(type) {
	case *nftables.Table:
		return changed.Name == nat.Name
	case *nftables.Chain:
		return changed.Table == nil || changed.Table.Name == nat.Name
	case *nftables.Rule:
		return changed.Table == nil || changed.Table.Name == nat.Name
	case *nftables.Set:
		return changed.Table == nil || changed.Table.Name == nat.Name
	}
	return true
}
