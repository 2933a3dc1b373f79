package nodeidentity

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
)

// A node's agent with a client certificate, or a token of a standalone server, has the name UserPrefix + node and is in Group.
const (
	UserPrefix = "system:northbound:node:"
	Group      = "system:northbound:nodes"
)

// ServiceAccount is the account of the agents in a cluster. Their tokens are bound to pods, and with them to nodes (KEP-4193).
type ServiceAccount struct{ Namespace, Name string }

// ParseServiceAccount reads "namespace/name"; the empty text is no account.
func ParseServiceAccount(text string) (ServiceAccount, error) {
	if text == "" {
		return ServiceAccount{}, nil
	}
	namespace, name, found := strings.Cut(text, "/")
	if !found || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return ServiceAccount{}, fmt.Errorf("%q is no service account: write namespace/name", text)
	}
	return ServiceAccount{namespace, name}, nil
}

// String is the form that ParseServiceAccount reads.
func (s ServiceAccount) String() string {
	if s.Name == "" {
		return ""
	}
	return s.Namespace + "/" + s.Name
}

// nodeOf returns whether a user is an agent, and of which node; the name is empty when the credentials do not say.
func (s ServiceAccount) nodeOf(u user.Info) (node string, agent bool) {
	if slices.Contains(u.GetGroups(), Group) {
		node, ok := strings.CutPrefix(u.GetName(), UserPrefix)
		if !ok {
			return "", true
		}
		return node, true
	}
	if s.Name == "" || !serviceaccount.MatchesUsername(s.Namespace, s.Name, u.GetName()) {
		return "", false
	}
	if nodes := u.GetExtra()[serviceaccount.NodeNameKey]; len(nodes) == 1 {
		return nodes[0], true
	}
	return "", true
}
