package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	typed "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/typed/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn"
)

// Bed is the network, running.
type Bed struct {
	// Hosts are n1, n2 and n3; each has a Chassis that may be a gateway.
	Hosts []*Host
	// Internet is what is behind the router of the VLAN 204: the router itself, 10.5.204.254 and fd00:5:204::fe, is part of it.
	Internet *Station
	// API is a client with all rights.
	API typed.KubeovnV1Interface

	programs ovn.Installation
	server   *apiservertest.Server
	fabric   *fabric
}

const hosts = 3

// Start starts everything, with its files below dir, and returns when the Chassis are known to the API server.
func Start(ctx context.Context, dir string) (*Bed, error) {
	b := &Bed{}
	if err := b.start(ctx, dir); err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

func (b *Bed) start(ctx context.Context, dir string) error {
	var err error
	if b.programs, err = ovn.Find(os.Getenv(ovn.VersionEnv)); err != nil {
		return err
	}
	b.server, err = apiservertest.Run(ctx, filepath.Join(dir, "nb"), func(o *apiserver.Options) {
		o.Network.ExternalGatewaySwitch = Provider
		o.Standalone.NoNorthd = false
	})
	if err != nil {
		return err
	}
	client, err := clientset.NewForConfig(b.server.Config)
	if err != nil {
		return err
	}
	b.API = client.KubeovnV1()
	if b.fabric, err = startFabric(ctx, b.programs, dir); err != nil {
		return err
	}
	southbound := "unix:" + filepath.Join(b.server.DataDir, "sb.sock") // see package ovn
	for i := range hosts {
		encap := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, 0, byte(i + 1)}), 24)
		h, err := startHost(ctx, b.fabric, b.programs, dir, southbound, fmt.Sprintf("n%d", i+1), encap)
		if err != nil {
			return err
		}
		b.Hosts = append(b.Hosts, h)
		if err := b.announce(ctx, h); err != nil {
			return err
		}
	}
	b.Internet, err = b.fabric.outside(ctx, "internet", 204, "10.5.204.254/24", "fd00:5:204::fe/64", "203.0.113.1/32", "2001:db8::1/128")
	return err
}

// announce does what the agent of a node does when it starts.
func (b *Bed) announce(ctx context.Context, h *Host) error {
	_, err := b.API.Chassis().Create(ctx, &v1.Chassis{
		ObjectMeta: metav1.ObjectMeta{Name: h.Name},
		Spec:       v1.ChassisSpec{ChassisID: h.Name, EncapIPs: []string{h.EncapIP.String()}, NodeIPs: []string{h.EncapIP.String()}, ExternalGateway: true},
	}, metav1.CreateOptions{})
	return err
}

// Stop stops everything and returns when it is gone.
func (b *Bed) Stop() error {
	var errs []error
	for _, h := range b.Hosts {
		errs = append(errs, h.stop())
	}
	if b.Internet != nil {
		errs = append(errs, b.Internet.close())
	}
	if b.fabric != nil {
		errs = append(errs, b.fabric.stop())
	}
	if b.server != nil {
		errs = append(errs, b.server.Stop())
	}
	return errors.Join(errs...)
}
