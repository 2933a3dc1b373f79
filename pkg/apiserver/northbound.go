package apiserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// nbTables are the tables in which the kinds realize their objects, with the columns that they decide.
// See ovn-nb(5); the engine leaves out what the connected database does not have. Columns that hold the rows of other objects, as
// the ports of a switch, are not among them: they are as long as there are such objects, and every change would copy them.
var nbTables = map[string][]string{
	nb.LogicalSwitch: {"name", "other_config", "external_ids"},
	nb.LogicalSwitchPort: {"name", "type", "enabled", "addresses", "port_security", "parent_name", "tag", "tag_request",
		"dhcpv4_options", "dhcpv6_options", "ha_chassis_group", "options", "peer", "external_ids"},
	nb.LogicalRouter:     {"name", "enabled", "options", "external_ids"},
	nb.LogicalRouterPort: {"name", "mac", "networks", "peer", "enabled", "ha_chassis_group", "ipv6_ra_configs", "options", "external_ids"},
	nb.GatewayChassis:    {"name", "chassis_name", "priority", "options", "external_ids"},
	nb.StaticRoute:       {"ip_prefix", "nexthop", "output_port", "policy", "route_table", "bfd", "options", "external_ids"},
	nb.RouterPolicy:      {"priority", "match", "action", "nexthop", "nexthops", "options", "external_ids"},
	nb.PortGroup:         {"name", "external_ids"},
	nb.ACL:               {"name", "direction", "priority", "match", "action", "label", "log", "meter", "severity", "tier", "options", "external_ids"},
	nb.DHCPOptions:       {"cidr", "options", "external_ids"},
	nb.NAT:               {"type", "external_ip", "external_mac", "logical_ip", "logical_port", "external_ids"},
	nb.LoadBalancer:      {"name", "vips", "protocol", "ip_port_mappings", "selection_fields", "options", "external_ids"},
	nb.HealthCheck:       {"vip", "options", "external_ids"},
	nb.BFD:               {"logical_port", "dst_ip", "min_tx", "min_rx", "detect_mult", "options", "external_ids"},
}

// nbAttachments are the columns that hold rows which live on without them: load balancers belong to no switch alone, and the ports of a
// group belong to their switch. These columns are short.
var nbAttachments = map[string]string{
	nb.LogicalSwitch: "load_balancer",
	nb.LogicalRouter: "load_balancer",
	nb.PortGroup:     "ports",
}

// session is how the engine reaches the database at an address, which is a list as --nb-address.
func (n *NorthboundOptions) session(address string) (ovsdb.Options, error) {
	addresses, err := ovsdb.ParseAddresses(address)
	if err != nil {
		return ovsdb.Options{}, fmt.Errorf("--nb-address: %w", err)
	}
	o := ovsdb.Options{Addresses: addresses}
	if n.PrivateKey == "" {
		return o, nil
	}
	o.TLS, err = n.tls()
	return o, err
}

// tls is what OVN's own clients do: both sides show a certificate of the same authority, and host names mean nothing,
// because ovs-pki puts none into certificates. Files are read at every connection, so that they can be replaced.
func (n *NorthboundOptions) tls() (*tls.Config, error) {
	for _, file := range []string{n.PrivateKey, n.Certificate, n.CACert} {
		if _, err := os.Stat(file); err != nil {
			return nil, err
		}
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // of the host name only: VerifyConnection checks the chain
		VerifyConnection:   n.verify,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(n.Certificate, n.PrivateKey)
			return &pair, err
		},
	}, nil
}

func (n *NorthboundOptions) verify(state tls.ConnectionState) error {
	pem, err := os.ReadFile(n.CACert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", n.CACert)
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the database server shows no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}
