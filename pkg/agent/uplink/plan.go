package uplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// plan is what a move needs to know, on disk before anything is touched, until all is back as it was.
type plan struct {
	Network   string `json:"network"`
	Bridge    string `json:"bridge"`
	Interface string `json:"interface"`
	MAC       string `json:"mac"`
	MTU       int    `json:"mtu"`
	// Addresses and Routes are those of the interface, which the bridge has while the move lasts.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Routes    []route        `json:"routes,omitempty"`
	// Boot identifies the boot of the machine in which this was written: after another one, the interface has what the
	// machine's own configuration gives it.
	Boot string `json:"boot"`
	// Moved says that the bridge has them all.
	Moved bool `json:"moved,omitempty"`
	// Undo says that the interface is on its way back.
	Undo bool `json:"undo,omitempty"`
}

// route is a route through the interface that is not the kernel's own.
type route struct {
	To       netip.Prefix `json:"to"`
	Gateway  netip.Addr   `json:"gateway,omitzero"`
	Source   netip.Addr   `json:"source,omitzero"`
	Table    int          `json:"table"`
	Priority int          `json:"priority,omitempty"`
	Protocol int          `json:"protocol,omitempty"`
	Scope    int          `json:"scope,omitempty"`
}

// store keeps plans as files, one a network.
type store struct{ dir string }

func (s store) path(network string) string { return filepath.Join(s.dir, network+".json") }

// load returns the plan of a network, nil when there is none.
func (s store) load(network string) (*plan, error) {
	b, err := os.ReadFile(s.path(network))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	p := &plan{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path(network), err)
	}
	return p, nil
}

// networks are the names of the networks that have plans.
func (s store) networks() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// save writes a plan so that it is on disk, whole, when it returns.
func (s store) save(p *plan) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, ".plan")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path(p.Network)); err != nil {
		return err
	}
	return s.sync()
}

func (s store) remove(network string) error {
	if err := os.Remove(s.path(network)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return s.sync()
}

func (s store) sync() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
