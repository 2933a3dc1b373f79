package apiserver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	apiopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"

	"github.com/northbound-ovn/northbound/pkg/apiserver/standalone"
	"github.com/northbound-ovn/northbound/pkg/generated/openapi"
)

// adminUser is the user of admin.kubeconfig.
const adminUser = "admin"

// genericConfig is what k8s.io/apiserver needs to serve. dir is nil in a cluster.
func (o *Options) genericConfig(dir *standalone.Dir) (*genericapiserver.RecommendedConfig, error) {
	config := genericapiserver.NewRecommendedConfig(Codecs)
	namer := apiopenapi.NewDefinitionNamer(Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "Northbound"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config.Info.Title = "Northbound"
	// The loopback client is used by post-start hooks only; the default of 5 requests a second is for strangers.
	if err := o.Run.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	if dir != nil {
		return config, o.applyStandalone(config, dir)
	}
	if err := o.Serving.SecureServing.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return config, o.Serving.ApplyTo(config)
}

// applyStandalone configures serving, users and rules from the data folder, and leaves an admin.kubeconfig there.
func (o *Options) applyStandalone(config *genericapiserver.RecommendedConfig, dir *standalone.Dir) error {
	pki, err := standalone.OpenPKI(dir.File("pki"))
	if err != nil {
		return err
	}
	serving := o.Serving.SecureServing
	if serving.Listener == nil {
		address := net.JoinHostPort(serving.BindAddress.String(), strconv.Itoa(serving.BindPort))
		if serving.Listener, err = net.Listen("tcp", address); err != nil {
			return err
		}
	}
	listening := netip.MustParseAddrPort(serving.Listener.Addr().String())
	if serving.ServerCert.CertKey.CertFile == "" {
		names, addrs := servingNames(listening.Addr())
		serving.ServerCert.CertKey.CertFile, serving.ServerCert.CertKey.KeyFile, err = pki.Serving(names, addrs)
		if err != nil {
			return err
		}
	}
	ca, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", pki.CAFile())
	if err != nil {
		return err
	}
	if err := o.Serving.ApplyTo(config); err != nil {
		return err
	}
	// After ApplyTo, which without options for them takes authentication and authorization away.
	if config.Authentication.Authenticator, err = standalone.NewAuthenticator(ca, o.Standalone.TokenFile); err != nil {
		return err
	}
	if config.Authorization.Authorizer, err = standalone.NewAuthorizer(o.Standalone.PolicyFile); err != nil {
		return err
	}
	if err := config.Authentication.ApplyClientCert(ca, config.SecureServing); err != nil {
		return err
	}
	client, err := pki.Client(adminUser, "system:masters")
	if err != nil {
		return err
	}
	return pki.WriteKubeconfig(dir.File("admin.kubeconfig"), "https://"+reachable(listening).String(), adminUser, client)
}

// servingNames are the names and addresses under which a standalone server may be asked.
func servingNames(listening netip.Addr) ([]string, []netip.Addr) {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		names = append(names, host)
	}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	if !listening.IsUnspecified() {
		if !listening.IsLoopback() {
			addrs = append(addrs, listening)
		}
		return names, addrs
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return names, addrs
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return names, addrs
}

// reachable is where a client on this machine finds a server that listens on an address.
func reachable(listening netip.AddrPort) netip.AddrPort {
	if !listening.Addr().IsUnspecified() {
		return listening
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), listening.Port())
}
