package apiserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// rulesOfTheGuide are the translations that the users' guide shows, and the load balancers of rules, in the order of creation.
var rulesOfTheGuide = []struct{ resource, object string }{
	{"ips", `{"kind":"IP","metadata":{"name":"vpc-1-busybox01.vpc1"},"spec":{"podName":"vpc-1-busybox01","namespace":"vpc1","subnet":"vpc1-subnet1"}}`},
	{"ips", `{"kind":"IP","metadata":{"name":"vpc-1-busybox02.vpc1"},"spec":{"podName":"vpc-1-busybox02","namespace":"vpc1","subnet":"vpc1-subnet1","v4IpAddress":"192.168.0.4"}}`},
	{"vips", `{"kind":"Vip","metadata":{"name":"test-fip-vip"},"spec":{"subnet":"vpc1-subnet1"}}`},
	{"ovn-eips", `{"kind":"OvnEip","metadata":{"name":"eip-static"},"spec":{"externalSubnet":"external204","type":"nat"}}`},
	{"ovn-eips", `{"kind":"OvnEip","metadata":{"name":"eip-for-vip"},"spec":{"externalSubnet":"external204","type":"nat"}}`},
	{"ovn-eips", `{"kind":"OvnEip","metadata":{"name":"snat"},"spec":{"externalSubnet":"external204","type":"nat"}}`},
	{"ovn-fips", `{"kind":"OvnFip","metadata":{"name":"eip-static"},"spec":{"ovnEip":"eip-static","ipName":"vpc-1-busybox01.vpc1","type":"distributed"}}`},
	{"ovn-fips", `{"kind":"OvnFip","metadata":{"name":"eip-for-vip"},"spec":{"ovnEip":"eip-for-vip","ipType":"vip","ipName":"test-fip-vip"}}`},
	{"ovn-snat-rules", `{"kind":"OvnSnatRule","metadata":{"name":"subnet"},"spec":{"ovnEip":"snat","vpcSubnet":"vpc1-subnet1"}}`},
	{"ovn-snat-rules", `{"kind":"OvnSnatRule","metadata":{"name":"snat01"},"spec":{"ovnEip":"snat","ipName":"vpc-1-busybox02.vpc1"}}`},
	{"ovn-dnat-rules", `{"kind":"OvnDnatRule","metadata":{"name":"eip-dnat"},"spec":{"ovnEip":"snat","ipName":"vpc-1-busybox01.vpc1","protocol":"tcp","internalPort":"22","externalPort":"22"}}`},
	{"switch-lb-rules", `{"kind":"SwitchLBRule","metadata":{"name":"web"},"spec":{"vip":"1.1.1.1","sessionAffinity":"ClientIP","namespace":"vpc1","endpoints":["192.168.0.2","192.168.0.4","192.168.0.20"],"ports":[{"name":"http","port":8888,"targetPort":80,"protocol":"TCP"}]}}`},
	{"vips", `{"kind":"Vip","metadata":{"name":"slr-01"},"spec":{"subnet":"vpc1-subnet1","type":"switch_lb_vip","v4ip":"192.168.0.100"}}`},
	{"subnets", `{"kind":"Subnet","metadata":{"name":"vpc1-later"},"spec":{"vpc":"vpc1","cidrBlock":"192.168.1.0/24"}}`},
	{"ips", `{"kind":"IP","metadata":{"name":"web.vpc1"},"spec":{"podName":"web","namespace":"vpc1","subnet":"vpc1-subnet1","v4IpAddress":"192.168.0.20"}}`},
	{"vpc-dnses", `{"kind":"VpcDns","metadata":{"name":"dns"},"spec":{"vpc":"vpc1","subnet":"vpc1-subnet1"}}`},
	{"subnets", `{"kind":"Subnet","metadata":{"name":"ovn-vpc-external-network"},"spec":{"protocol":"IPv4","provider":"ovn-vpc-external-network.kube-system","cidrBlock":"192.168.9.0/24","gateway":"192.168.9.1"}}`},
	{"vpc-nat-gateways", `{"kind":"VpcNatGateway","metadata":{"name":"gw1"},"spec":{"vpc":"vpc1","subnet":"vpc1-subnet1","lanIp":"192.168.0.254"}}`},
	{"iptables-eips", `{"kind":"IptablesEIP","metadata":{"name":"eipf01"},"spec":{"natGwDp":"gw1"}}`},
	{"iptables-fip-rules", `{"kind":"IptablesFIPRule","metadata":{"name":"fip01"},"spec":{"eip":"eipf01","internalIp":"192.168.0.5"}}`},
}

// The rows of rules are in the database when their creation is answered, northd understands them, and they go with the rules,
// whatever the order of deletion.
func TestRulesOfTheGuide(t *testing.T) {
	s := apiservertest.Start(t, func(o *apiserver.Options) {
		o.Network.ExternalGatewaySwitch = "external204"
		o.Standalone.NoNorthd = false
	})
	before := dump(t, s.NBAddress, "Copp", "NB_Global")
	paths := append(applySample(t, s, "ovn-external-network.yaml"), applySample(t, s, "ovn-vpc.yaml")...)
	for _, rule := range rulesOfTheGuide {
		var created struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		path := groupPath + "/" + rule.resource
		r := do(t, s, "POST", path, strings.Replace(rule.object, "{", `{"apiVersion":"kubeovn.io/v1",`, 1))
		if r.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", rule.object, r.body)
		}
		r.decode(t, &created)
		paths = append(paths, path+"/"+created.Metadata.Name)
	}
	ovntest.Nbctl(t, s.NBAddress, "--wait=sb", "sync")

	want := `
dnat_and_snat 10.5.204.102 192.168.0.2 X vpc-1-busybox01.vpc1
dnat_and_snat 10.5.204.103 192.168.0.3
snat 10.5.204.104 192.168.0.0/24
snat 10.5.204.104 192.168.0.4`
	var got []string
	for _, line := range strings.Split(ovntest.Nbctl(t, s.NBAddress, "lr-nat-list", "vpc1"), "\n") {
		if f := strings.Fields(varying.ReplaceAllString(line, "X")); len(f) > 0 && strings.Contains(f[0], "snat") {
			got = append(got, strings.Join(f, " "))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, "\n"+strings.Join(got, "\n")); diff != "" {
		t.Errorf("translations (-want +got):\n%s", diff)
	}
	for _, place := range []struct{ list, holder, want string }{
		{"lr-lb-list", "vpc1", "eip-dnat tcp 10.5.204.104:22 192.168.0.2:22"},
		{"ls-lb-list", "vpc1-subnet1", "eip-dnat tcp 10.5.204.104:22 192.168.0.2:22"},
		{"ls-lb-list", "vpc1-subnet1", "slr-web-tcp tcp 1.1.1.1:8888 192.168.0.2:80,192.168.0.4:80,192.168.0.20:80"},
		{"ls-lb-list", "vpc1-later", "slr-web-tcp tcp 1.1.1.1:8888"},
		{"ls-lb-list", "vpc1-later", "eip-dnat tcp 10.5.204.104:22"},
		{"lsp-get-options", "vpc1-subnet1-vpc1", "arp_proxy=192.168.0.100"},
		{"--bare", "--columns=ip_port_mappings find Load_Balancer name=slr-web-tcp", "192.168.0.20=web.vpc1:"},
	} {
		if list := strings.Join(strings.Fields(ovntest.Nbctl(t, s.NBAddress, append([]string{place.list}, strings.Fields(place.holder)...)...)), " "); !strings.Contains(list, place.want) {
			t.Errorf("%s %s: %s, want %s", place.list, place.holder, list, place.want)
		}
	}
	if r := do(t, s, "GET", groupPath+"/ovn-eips/snat", ""); !strings.Contains(r.body, `"nat":"dnat,snat"`) {
		t.Errorf("use of an address: %s", r.body)
	}

	for _, path := range paths {
		if r := do(t, s, "DELETE", path, ""); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if diff := cmp.Diff(before, dump(t, s.NBAddress, "Copp", "NB_Global")); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}
