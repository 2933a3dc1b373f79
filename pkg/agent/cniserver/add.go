package cniserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// add makes the interface of a request, or only allocates its addresses when another plugin makes it. Addresses that others hold and may
// let go are waited for.
func (s *Server) add(ctx context.Context, r *cni.Request) (*cni.Response, error) {
	answer, err := s.addNow(ctx, r)
	var held *heldError
	if !errors.As(err, &held) {
		return answer, err
	}
	if err := s.awaitFree(ctx, held); err != nil {
		return nil, err
	}
	return s.addNow(ctx, r)
}

// addNow is add without the wait: it returns a heldError, and leaves nothing.
func (s *Server) addNow(ctx context.Context, r *cni.Request) (*cni.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, addPatience, fmt.Errorf("not done within %v", addPatience))
	defer cancel()
	if r.PodName == "" || r.PodNamespace == "" {
		return nil, cni.Errorf(cni.CodeEnvironment, "CNI_ARGS name no pod: K8S_POD_NAME and K8S_POD_NAMESPACE are required")
	}
	unlock, err := s.keys.lock(ctx, r.ContainerID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var pod *Pod
	if err := s.persist(ctx, func(ctx context.Context) (err error) {
		pod, err = s.config.Pods.Pod(ctx, r.PodNamespace, r.PodName, r.PodUID)
		return err
	}); err != nil {
		return nil, cni.Errorf(cni.CodeTryAgain, "%v", err)
	}
	nics, err := s.interfaces(ctx, pod, r)
	if err != nil {
		return nil, err
	}
	if r.AddressesOnly {
		allocated, err := s.allocate(ctx, pod, nics, r)
		if err != nil {
			return nil, err
		}
		addresses, routes, err := addressing(&allocated[0], &nics[0], nics[0].DefaultRoute, r.Routes)
		return &cni.Response{MAC: allocated[0].Spec.MacAddress, MTU: s.mtu(&allocated[0]), Addresses: addresses, Routes: routes}, err
	}
	p := &plug{server: s, request: r, pod: pod, nics: nics, attachment: cni.Attachment{ContainerID: r.ContainerID, IfName: r.IfName}}
	answer, err := p.do(ctx)
	if err != nil {
		return nil, errors.Join(err, p.undo(ctx))
	}
	s.tellNeighbours(ctx, r, answer)
	s.annotate(ctx, pod, r, p.allocated, nics, answer)
	s.tellOfHostPorts(pod, r)
	return answer, nil
}

// mtu is that of an interface.
func (s *Server) mtu(allocated *v1.PodInterfaceStatus) int {
	if allocated.Mtu > 0 {
		return int(allocated.Mtu)
	}
	return s.config.MTU()
}

// plug is the addition of an interface on its way.
type plug struct {
	server     *Server
	request    *cni.Request
	pod        *Pod
	nics       []podnet.Interface // the first is this interface
	attachment cni.Attachment

	sandbox   *sandbox
	name      string // of the node's end
	allocated []v1.PodInterfaceStatus
	mac       net.HardwareAddr
	response  cni.Response
	checksums bool
	plugged   bool
}

// do makes the interface. The allocation and the links do not depend on each other, and neither does the inside of the pod
// depend on the port.
func (p *plug) do(ctx context.Context) (*cni.Response, error) {
	s := p.server
	now, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	if p.sandbox, err = openSandbox(p.request.NetNS); err != nil {
		return nil, err
	}
	defer p.sandbox.close()
	p.checksums = now.Bridge(s.config.Bridge).DatapathType != "netdev"

	began := time.Now()
	var linked error
	var linking sync.WaitGroup
	linking.Go(func() { linked = p.link(ctx, now) })
	p.allocated, err = s.allocate(ctx, p.pod, p.nics, p.request)
	linking.Wait()
	if err := errors.Join(err, linked); err != nil {
		return nil, err
	}
	s.stage("allocate", began)

	if err := p.prepare(); err != nil {
		return nil, err
	}
	began = time.Now()
	var configured error
	var configuring sync.WaitGroup
	configuring.Go(func() { configured = p.configure() })
	err = p.port(ctx)
	if err == nil {
		err = p.installed(ctx)
	}
	configuring.Wait()
	if err := errors.Join(configured, err); err != nil {
		return nil, err
	}
	s.stage("install", began)
	return &p.response, nil
}

// ready waits for a session with Open vSwitch and for OVN's bridge.
func (s *Server) ready(ctx context.Context) (vswitch.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, switchPatience)
	defer cancel()
	now, err := s.config.Switch.Wait(ctx, func(now vswitch.Snapshot) bool { return now.Bridge(s.config.Bridge) != nil })
	if err != nil {
		return now, cni.Errorf(cni.CodeTryAgain, "Open vSwitch does not answer, or there is no bridge %s: %v", s.config.Bridge, err)
	}
	return now, nil
}

// link makes the pair of links. A port whose device is gone is not used again.
func (p *plug) link(ctx context.Context, now vswitch.Snapshot) error {
	began := time.Now()
	p.name = portName(p.attachment)
	if before := ours(now, of(p.attachment)); len(before) > 0 {
		p.name = before[0].Name
		whole, err := p.connected()
		if err != nil {
			return err
		}
		if !whole {
			if err := p.server.unplug(ctx, before); err != nil {
				return err
			}
			p.name = otherName(p.name)
		}
	} else if taken := now.Interface(p.name); taken != nil {
		return cni.Errorf(cni.CodeFailed, "port %s exists for something else: %v", p.name, taken.ExternalIDs)
	}
	err := connect(p.server.config.Host, p.sandbox, p.name, p.attachment.IfName)
	if err == nil {
		p.server.stage("link", began)
	}
	return err
}

// connected reports whether both ends of the pair are there.
func (p *plug) connected() (bool, error) {
	node, err := find(p.server.config.Host.Handle, p.name)
	if err != nil {
		return false, err
	}
	inside, err := find(p.sandbox.Handle, p.attachment.IfName)
	return paired(node, inside), err
}

// prepare decides what the interface has.
func (p *plug) prepare() error {
	mine := &p.allocated[0]
	first := p.request.Provider == v1.DefaultProvider
	byDefault := p.nics[0].DefaultRoute
	if first {
		byDefault = !slices.ContainsFunc(p.nics[1:], func(other podnet.Interface) bool { return other.DefaultRoute })
	}
	addresses, routes, err := addressing(mine, &p.nics[0], byDefault, p.request.Routes)
	if err != nil {
		return err
	}
	if p.mac, err = net.ParseMAC(mine.Spec.MacAddress); err != nil {
		return fmt.Errorf("IP %s: %w", mine.Name, err)
	}
	p.response = cni.Response{HostIfName: p.name, MAC: p.mac.String(), MTU: p.server.mtu(mine), Addresses: addresses, Routes: routes}
	return nil
}

// configure does what concerns the links alone.
func (p *plug) configure() error {
	began := time.Now()
	node, err := p.server.config.Host.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.response.HostMAC = node.Attrs().HardwareAddr.String()
	if p.response.MTU > 0 {
		if err := p.server.config.Host.LinkSetMTU(node, p.response.MTU); err != nil {
			return fmt.Errorf("MTU of %s: %w", p.name, err)
		}
	}
	if p.response.MTU == 0 {
		p.response.MTU = node.Attrs().MTU
	}
	err = p.sandbox.configure(&setup{ifName: p.attachment.IfName, mac: p.mac, mtu: p.response.MTU,
		addresses: p.response.Addresses, routes: p.response.Routes, checksums: p.checksums})
	if err == nil {
		p.server.stage("configure", began)
	}
	return err
}

// port adds the port, and removes those that another sandbox of the pod, or a former pod, has left for the same logical port.
func (p *plug) port(ctx context.Context) error {
	began := time.Now()
	s, r, mine := p.server, p.request, &p.allocated[0]
	stale := ours(s.config.Switch.Snapshot(), func(ids map[string]string) bool { return ids[idPort] == mine.Name && !of(p.attachment)(ids) })
	names := make([]string, len(p.allocated))
	for i := range p.allocated {
		names[i] = p.allocated[i].Name
	}
	change := vswitch.EnsurePort(vswitch.PortSpec{
		Name: p.name, Bridge: s.config.Bridge,
		// A port that the script which starts Open vSwitch removes: after a reboot there is no sandbox to it.
		PortConfig: map[string]string{"transient": "true"},
		ExternalIDs: map[string]string{
			idPort: mine.Name, idPortVersion: string(p.pod.UID), idVendor: vendor, idSandbox: r.ContainerID, idIfName: r.IfName,
			idPodName: p.pod.Name, idPodNamespace: p.pod.Namespace, idPodUID: string(p.pod.UID), idNetNS: r.NetNS, idNetwork: r.Network, idProvider: r.Provider,
			idIP: mine.Spec.Addresses(), idMAC: p.mac.String(), idAllocated: strings.Join(names, ","),
		},
	})
	p.plugged = true
	if err := s.unplug(ctx, stale, change); err != nil {
		return err
	}
	s.stage("plug", began)
	return nil
}

// installed waits until packets flow.
func (p *plug) installed(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, installPatience, fmt.Errorf("not within %v", installPatience))
	defer cancel()
	port := p.allocated[0].Name
	now, err := p.server.config.Switch.Wait(ctx, func(now vswitch.Snapshot) bool {
		i := now.Interface(p.name)
		return i == nil || i.Installed() && i.ExternalIDs[idPort] == port || i.OFPort < 0
	})
	switch i := now.Interface(p.name); {
	case err != nil:
		return cni.Errorf(cni.CodeTryAgain, "the flows of logical port %s are not installed (is ovn-controller connected?): %v", port, err)
	case i == nil:
		return cni.Errorf(cni.CodeTryAgain, "port %s was removed before its flows were installed", p.name)
	case i.OFPort < 0:
		return cni.Errorf(cni.CodeFailed, "Open vSwitch cannot use %s: %s", p.name, i.Error)
	}
	return nil
}

// undo removes what was made, the last first. The addresses stay with the pod: its next attempt gets them.
func (p *plug) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	var err error
	if p.plugged {
		err = p.server.config.Switch.Apply(ctx, vswitch.RemovePort(p.name))
	}
	if p.name != "" {
		err = errors.Join(err, disconnect(p.server.config.Host, p.name))
	}
	return err
}
