package podnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// Route is a further route of an interface inside the pod.
type Route struct {
	Dst netip.Prefix // masked
	GW  netip.Addr
}

// wishes are what the annotations of a pod ask for one interface.
type wishes struct {
	provider     string
	subnet       string       // "" when none is named
	addresses    []ipam.Addrs // any of them; none: any address
	addressPath  *field.Path  // the annotation that they are from
	mac          string
	vip          string
	carried      []string // Vips besides the own address
	routes       []Route
	defaultRoute bool
}

var annotationsPath = field.NewPath("metadata", "annotations")

// key is the path of an annotation of the provider, as it is written on the pod.
func (w *wishes) key(annotation string) *field.Path {
	return annotationsPath.Key(v1.ProviderAnnotation(w.provider, annotation))
}

// read returns what the annotations of a pod say of the interface of a provider, or why they cannot be meant.
func read(pod *Pod, provider string) (*wishes, field.ErrorList) {
	w := &wishes{provider: provider}
	text := func(annotation string) string {
		return strings.TrimSpace(pod.Annotations[v1.ProviderAnnotation(provider, annotation)])
	}
	var errs field.ErrorList
	refuse := func(annotation, value string, err error) {
		if err != nil {
			errs = append(errs, field.Invalid(w.key(annotation), value, err.Error()))
		}
	}
	w.subnet = text(v1.AnnotationLogicalSwitch)
	w.mac = text(v1.AnnotationMacAddress)
	refuse(v1.AnnotationMacAddress, w.mac, checkMAC(w.mac))
	w.vip = text(v1.AnnotationVip)
	w.carried = list(text(v1.AnnotationAAPs))
	if groups := text(v1.AnnotationSecurityGroups); groups != "" {
		errs = append(errs, field.Forbidden(w.key(v1.AnnotationSecurityGroups), "this server has no security groups: nothing would filter the pod's traffic"))
	}

	var err error
	address, pool := text(v1.AnnotationIPAddress), text(v1.AnnotationIPPool)
	switch {
	case address != "":
		w.addressPath = w.key(v1.AnnotationIPAddress)
		w.addresses, err = fixed(address)
		refuse(v1.AnnotationIPAddress, address, err)
	case pool != "":
		w.addressPath = w.key(v1.AnnotationIPPool)
		w.addresses, err = fromPool(pod, pool)
		refuse(v1.AnnotationIPPool, pool, err)
	}
	w.routes, err = readRoutes(text(v1.AnnotationRoutes))
	refuse(v1.AnnotationRoutes, text(v1.AnnotationRoutes), err)
	if value := text(v1.AnnotationDefaultRoute); value != "" {
		w.defaultRoute, err = strconv.ParseBool(value)
		if err != nil {
			refuse(v1.AnnotationDefaultRoute, value, errors.New("write true or false"))
		}
	}
	return w, errs
}

// list reads names separated by commas.
func list(text string) []string {
	var names []string
	for part := range strings.SplitSeq(text, ",") {
		if name := strings.TrimSpace(part); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func checkMAC(text string) error {
	if text == "" {
		return nil
	}
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return errors.New("is no MAC: write six pairs of hexadecimal digits separated by colons")
	case mac[0]&1 != 0:
		return errors.New("is a multicast address, which no interface can have")
	}
	return nil
}

func fixed(text string) ([]ipam.Addrs, error) {
	addrs, err := parseAddrs(text)
	if err != nil {
		return nil, err
	}
	return []ipam.Addrs{addrs}, nil
}

// parseAddrs reads "v4", "v6" or "v4,v6", with blanks after the comma.
func parseAddrs(text string) (ipam.Addrs, error) {
	return ipam.ParseAddrs(strings.Join(list(text), ","))
}

// fromPool returns the addresses of a pool that the pod may have: of a StatefulSet's pod that of its ordinal, of any other all.
func fromPool(pod *Pod, text string) ([]ipam.Addrs, error) {
	pool, err := readPool(text)
	if err != nil {
		return nil, err
	}
	if _, kind := Owner(&pod.ObjectMeta); kind != v1.PodTypeStatefulSet {
		return pool, nil
	}
	n, ok := ordinal(pod.Name)
	if !ok {
		return pool, nil
	}
	i := n - pod.StartOrdinal
	if i < 0 || i >= len(pool) {
		return nil, fmt.Errorf("has %d addresses: there is none for the pod with the ordinal %d", len(pool), n)
	}
	return pool[i : i+1], nil
}

// readPool reads addresses separated by commas, or by semicolons when each is a pair "v4,v6". A single pair needs no semicolon.
func readPool(text string) ([]ipam.Addrs, error) {
	var parts []string
	if strings.Contains(text, ";") {
		for part := range strings.SplitSeq(text, ";") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
	} else if pair, err := parseAddrs(text); err == nil && pair.V4.IsValid() && pair.V6.IsValid() {
		return []ipam.Addrs{pair}, nil
	} else {
		parts = list(text)
	}
	var pool []ipam.Addrs
	for _, part := range parts {
		addrs, err := parseAddrs(part)
		if err != nil {
			return nil, fmt.Errorf("%w; the list has addresses, separated by commas, or pairs v4,v6 separated by semicolons", err)
		}
		pool = append(pool, addrs)
	}
	return pool, nil
}

var ordinalName = regexp.MustCompile(`-([0-9]{1,9})$`)

// ordinal is the number at the end of the name of a StatefulSet's pod.
func ordinal(name string) (int, bool) {
	m := ordinalName.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// readRoutes reads [{"dst": "10.0.0.0/8", "gw": "10.16.0.254"}]; without dst the route is a default route.
func readRoutes(text string) ([]Route, error) {
	if text == "" {
		return nil, nil
	}
	var entries []struct {
		Dst string `json:"dst"`
		GW  string `json:"gw"`
	}
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf(`is no list of routes: write [{"dst": "10.0.0.0/8", "gw": "10.16.0.254"}] (%w)`, err)
	}
	var routes []Route
	for _, e := range entries {
		gw, err := ipam.ParseAddr(e.GW)
		if err != nil {
			return nil, fmt.Errorf("gw: %w", err)
		}
		dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gw.Is6() {
			dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if e.Dst != "" {
			if dst, err = ipam.ParsePrefix(e.Dst); err != nil {
				return nil, fmt.Errorf("dst: %w", err)
			}
		}
		if dst.Addr().Is4() != gw.Is4() {
			return nil, fmt.Errorf("the route to %s is of the other address family than its gateway %s", dst, gw)
		}
		routes = append(routes, Route{dst, gw})
	}
	return routes, nil
}
