package vpc

import (
	"net/netip"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// conflict is a pair of overlapping Subnets of two Vpcs.
type conflict struct {
	mine, theirs             string
	minePrefix, theirsPrefix netip.Prefix
}

// firstConflict returns the lowest pair of overlapping Subnets of two Vpcs. The links between Vpcs are no Subnets: both ends
// of one are in the same prefix.
func firstConflict(v storage.View, mine, theirs string) (conflict, bool) {
	for p, holder := range prefix.All(v, prefix.InVpc(mine)) {
		if _, ok := holder.(*v1.Subnet); !ok {
			continue
		}
		for q, other := range prefix.Overlapping(v, prefix.InVpc(theirs), p) {
			if _, ok := other.(*v1.Subnet); ok {
				return conflict{holder.GetName(), other.GetName(), p, q}, true
			}
		}
	}
	return conflict{}, false
}
