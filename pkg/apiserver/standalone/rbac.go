package standalone

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	yamlstrict "sigs.k8s.io/yaml"
)

// discovery is what every known user may read: kubectl is of no use without it.
var discovery = []string{"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"}

// NewAuthorizer allows everything to system:masters, PublicPaths to everybody and discovery to every known user.
// When policyFile is not empty, it also allows what the ClusterRoles of that file grant through its ClusterRoleBindings,
// with the meaning that they have in a Kubernetes cluster. The file is read once.
func NewAuthorizer(policyFile string) (authorizer.Authorizer, error) {
	public, err := path.NewAuthorizer(PublicPaths)
	if err != nil {
		return nil, err
	}
	chain := []union.NamedAuthorizer{
		{AuthorizerName: "masters", Authorizer: authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup)},
		{AuthorizerName: "public", Authorizer: public},
	}
	rules := &policy{}
	if policyFile != "" {
		if rules, err = readPolicy(policyFile); err != nil {
			return nil, err
		}
	}
	rules.grant(rbacv1.Subject{Kind: rbacv1.GroupKind, Name: user.AllAuthenticated},
		[]rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: discovery}})
	chain = append(chain, union.NamedAuthorizer{AuthorizerName: "policy", Authorizer: authorizer.AuthorizerFunc(rules.authorize)})
	return union.New(chain...)
}

// policy is the content of a policy file: who may do what.
type policy struct {
	grants []grant
}

type grant struct {
	subject rbacv1.Subject
	rules   []rbacv1.PolicyRule
}

func (p *policy) grant(s rbacv1.Subject, rules []rbacv1.PolicyRule) {
	p.grants = append(p.grants, grant{s, rules})
}

func readPolicy(file string) (*policy, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := parsePolicy(content)
	if err != nil {
		return nil, fmt.Errorf("policy file %s: %w", file, err)
	}
	return p, nil
}

func parsePolicy(content []byte) (*policy, error) {
	roles := map[string][]rbacv1.PolicyRule{}
	var bindings []rbacv1.ClusterRoleBinding
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		var kind runtime.TypeMeta
		if err := yamlstrict.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		switch kind.Kind {
		case "ClusterRole":
			var role rbacv1.ClusterRole
			if err := yamlstrict.UnmarshalStrict(document, &role); err != nil {
				return nil, err
			}
			roles[role.Name] = role.Rules
		case "ClusterRoleBinding":
			var binding rbacv1.ClusterRoleBinding
			if err := yamlstrict.UnmarshalStrict(document, &binding); err != nil {
				return nil, err
			}
			bindings = append(bindings, binding)
		case "":
			continue
		default:
			return nil, fmt.Errorf("kind %q: only ClusterRole and ClusterRoleBinding are known here", kind.Kind)
		}
	}
	p := &policy{}
	for _, b := range bindings {
		rules, ok := roles[b.RoleRef.Name]
		if !ok {
			return nil, fmt.Errorf("ClusterRoleBinding %q refers to ClusterRole %q, which is not in the file", b.Name, b.RoleRef.Name)
		}
		for _, s := range b.Subjects {
			p.grant(s, rules)
		}
	}
	return p, nil
}

func (p *policy) authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	for _, g := range p.grants {
		if applies(g.subject, a.GetUser()) && slices.ContainsFunc(g.rules, func(r rbacv1.PolicyRule) bool { return allows(&r, a) }) {
			return authorizer.DecisionAllow, fmt.Sprintf("granted to %s %q", g.subject.Kind, g.subject.Name), nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func applies(s rbacv1.Subject, u user.Info) bool {
	switch s.Kind {
	case rbacv1.UserKind:
		return u.GetName() == s.Name
	case rbacv1.GroupKind:
		return slices.Contains(u.GetGroups(), s.Name)
	case rbacv1.ServiceAccountKind:
		return serviceaccount.MatchesUsername(s.Namespace, s.Name, u.GetName())
	}
	return false
}

func allows(r *rbacv1.PolicyRule, a authorizer.Attributes) bool {
	if !has(r.Verbs, a.GetVerb()) {
		return false
	}
	if !a.IsResourceRequest() {
		return slices.ContainsFunc(r.NonResourceURLs, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, "*")
			return pattern == a.GetPath() || (wild && strings.HasPrefix(a.GetPath(), prefix))
		})
	}
	resource := a.GetResource()
	anyResource := "*"
	if sub := a.GetSubresource(); sub != "" {
		resource += "/" + sub
		anyResource = "*/" + sub
	}
	return has(r.APIGroups, a.GetAPIGroup()) &&
		(has(r.Resources, resource) || slices.Contains(r.Resources, anyResource)) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.GetName()))
}

func has(list []string, value string) bool {
	return slices.Contains(list, value) || slices.Contains(list, "*")
}
