package dhcp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var prefix = netip.MustParsePrefix("10.0.1.0/24")

// readers are the three fields.
var readers = map[string]func(string) (map[string]string, error){
	"v4": func(s string) (map[string]string, error) { return V4(s, prefix) }, "v6": V6, "ra": Advertisement,
}

func TestOptionsAreWrittenAsOVNReadsThem(t *testing.T) {
	for _, test := range []struct {
		field, options string
		want           map[string]string
	}{
		{"v4", "", map[string]string{}},
		{"v4", "lease_time=7200,dns_server=10.96.0.10", map[string]string{"lease_time": "7200", "dns_server": "10.96.0.10"}},
		{"v4", " dns_server = {8.8.8.8;1.1.1.1} , mtu = 1400 ", map[string]string{"dns_server": "{8.8.8.8, 1.1.1.1}", "mtu": "1400"}},
		{"v4", "dns_server={8.8.8.8,1.1.1.1},router=10.0.1.1", map[string]string{"dns_server": "{8.8.8.8, 1.1.1.1}", "router": "10.0.1.1"}},
		{"v4", "dns_server={8.8.8.8}", map[string]string{"dns_server": "8.8.8.8"}},
		{"v4", `domain_search_list="a.example,b.example",domain_name="corp.example"`, map[string]string{"domain_search_list": `"a.example,b.example"`, "domain_name": `"corp.example"`}},
		{"v4", `domain_search_list={"a.example","b.example"}`, map[string]string{"domain_search_list": `"a.example,b.example"`}},
		{"v4", "classless_static_route={10.1.0.0/16,10.0.1.9;0.0.0.0/0,10.0.1.1}", map[string]string{"classless_static_route": "{10.1.0.0/16, 10.0.1.9, 0.0.0.0/0, 10.0.1.1}"}},
		{"v4", `tftp_server="boot.example",bootfile_name="http://boot.example/a?b={c}"`, map[string]string{"tftp_server": `"boot.example"`, "bootfile_name": `"http://boot.example/a?b={c}"`}},
		{"v4", "netmask=255.255.255.0,server_mac=0a:00:00:00:00:01,server_id=10.0.1.2", map[string]string{"server_mac": "0A:00:00:00:00:01", "server_id": "10.0.1.2"}},
		{"v6", `dns_server={fd00::a;fd00::b},domain_search="a.example",dhcpv6_stateless=true`, map[string]string{"dns_server": "{fd00::a, fd00::b}", "domain_search": `"a.example"`, "dhcpv6_stateless": "true"}},
		{"v6", "server_id=00:00:00:2E:2F:B8", map[string]string{"server_id": "00:00:00:2E:2F:B8"}},
		{"ra", "address_mode=slaac,max_interval=30,min_interval=5,send_periodic=false,mtu=0", map[string]string{"address_mode": "slaac", "max_interval": "30", "min_interval": "5", "send_periodic": "false", "mtu": "0"}},
		{"ra", `dnssl="a.example, b.example",rdnss=fd00::a,router_preference=HIGH`, map[string]string{"dnssl": "a.example,b.example", "rdnss": "fd00::a", "router_preference": "HIGH"}},
		{"ra", `route_info="HIGH-fd00::/64,LOW-fd01::/64"`, map[string]string{"route_info": "HIGH-fd00::/64,LOW-fd01::/64"}},
	} {
		got, err := readers[test.field](test.options)
		if err != nil {
			t.Errorf("%s: %v", test.options, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.options, diff)
		}
	}
}

func TestWhatOVNCannotReadOrNobodyMeansIsRefused(t *testing.T) {
	for _, test := range []struct{ field, options, want string }{
		{"v4", "lease_time", "write name=value"},
		{"v4", "lease_time=1,", "has an empty entry"},
		{"v4", "lease_time=1,lease_time=2", `option "lease_time" is given twice`},
		{"v4", "dns_server={8.8.8.8", "the braces"},
		{"v4", `domain_name="a`, "is never closed"},
		{"v4", "foo=bar", `"foo" is no option that OVN has: it has T1, T2, arp_cache_timeout`},
		{"v4", "offerip=10.0.1.2", `"offerip" is no option`},
		{"v4", "ia_addr=fd00::1", `"ia_addr" is no option`},
		{"v4", "mtu=abc", `mtu: "abc" is not a number from 68 to 65535`},
		{"v4", "mtu=70000", "is not a number from 68 to 65535"},
		{"v4", "mtu=67", "is not a number"},
		{"v4", "mtu={1400,1500}", "takes one value"},
		{"v4", "lease_time=0", "is not a number from 1"},
		{"v4", "lease_time=4294967296", "is not a number"},
		{"v4", "T1=100,T2=50", "T2: 50 is not above T1, which is 100"},
		{"v4", "ip_forward_enable=2", "is not a number from 0 to 1"},
		{"v4", "server_id=x", "server_id: "},
		{"v4", "server_mac=01:00:00:00:00:00", "is not the MAC address of a host"},
		{"v4", `dns_server="8.8.8.8"`, "dns_server: takes no text: write 8.8.8.8 without quotation marks"},
		{"v4", "dns_server=fd00::a", "is not an IPv4 address"},
		{"v4", "dns_server=224.0.0.1", "dns_server: 224.0.0.1 is a multicast address"},
		{"v4", "dns_server={8.8.8.8,}", "is not a list"},
		{"v4", "dns_server={8.8.8.8}{1.1.1.1}", "dns_server: "},
		{"v4", "router=10.0.2.1", "router: 10.0.2.1 is not in 10.0.1.0/24"},
		{"v4", "router=10.0.1.255", "router: 10.0.1.255 is the broadcast address of 10.0.1.0/24"},
		{"v4", "netmask=255.255.0.0", "netmask: 255.255.0.0 is not that of 10.0.1.0/24"},
		{"v4", "domain_name=corp.example", `domain_name: takes a text: write "corp.example" with the quotation marks`},
		{"v4", `domain_name=""`, "takes a text"},
		{"v4", `domain_name="corp example"`, "must not have ' '"},
		{"v4", `domain_search_list="a.example,-b"`, `"-b" is not the name of a domain`},
		{"v4", `bootfile_name="` + strings.Repeat("a", 256) + `"`, "is too long"},
		{"v4", `bootfile_name="a\b"`, "must not have"},
		{"v4", "classless_static_route={10.1.0.0/16}", "takes pairs"},
		{"v4", "classless_static_route={10.1.0.1/16,10.0.1.1}", "has bits set beyond"},
		{"v4", `domain_name="x"); ip4.src = 10.0.0.1; next; //"`, "is never closed"},
		{"v4", `domain_name="x"); next; ("y"`, "must not have"},
		{"v4", "lease_time=1); next;", "is not a list"},
		{"v4", "lease_time); next; x=1", "is no option"},
		{"v4", "server_mac=0a:00:00:00:00:01; outport = inport", "is not the MAC address"},
		{"v6", "dns_server=8.8.8.8", "is not the IPv6 address of a host"},
		{"v6", "dns_server=ff02::1", "is not the IPv6 address of a host"},
		{"v6", "server_id=10.0.0.1", "is not the MAC address of a host"},
		{"v6", "dhcpv6_stateless=1", "is neither true nor false"},
		{"v6", `domain_search="a.example,b.example"`, `"a.example,b.example" is not the name of a domain`},
		{"v6", "mtu=1400", `"mtu" is no option that OVN has: it has dns_server, domain_search, server_id, dhcpv6_stateless`},
		{"v6", "ia_addr=fd00::1", "is no option"},
		{"ra", "address_mode=foo", `address_mode: "foo" is not one of slaac, dhcpv6_stateful, dhcpv6_stateless`},
		{"ra", "mtu=zz", "is not a number from 1280 to 65535"},
		{"ra", "mtu=1000", "is not a number from 1280"},
		{"ra", "send_periodic=yes", "is neither true nor false"},
		{"ra", "max_interval=3", "is not a number from 4 to 1800"},
		{"ra", "max_interval=20,min_interval=16", "is more than three quarters"},
		{"ra", "rdnss={fd00::a,fd00::b}", "rdnss: "},
		{"ra", `router_preference="); next;`, "is never closed"},
		{"ra", `router_preference=HIGH"); next; ("`, "is not one of"},
		{"ra", `route_info="HIGH-10.0.0.0/8"`, "is not a preference"},
		{"ra", `route_info="HIGH-fd00::/64); next;"`, "route_info: "},
		{"ra", "lifetime=1", "is no option"},
	} {
		got, err := readers[test.field](test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, %v, want %s", test.field, test.options, got, err, test.want)
		}
	}
}
