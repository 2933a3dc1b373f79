package standalone

import (
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// PublicPaths are the paths that everybody may read without credentials: what probes of a load balancer need.
var PublicPaths = []string{"/healthz", "/livez", "/readyz", "/readyz/nb"}

// NewAuthenticator knows users by client certificates of ca (common name and organizations are user and groups) and,
// when tokenFile is not empty, by the bearer tokens of that file: CSV lines "token,user,uid[,\"group1,group2\"]".
func NewAuthenticator(ca dynamiccertificates.CAContentProvider, tokenFile string) (authenticator.Request, error) {
	methods := []authenticator.Request{rememberCertificates(x509.NewDynamic(ca.VerifyOptions, x509.CommonNameUserConversion))}
	if tokenFile != "" {
		tokens, err := tokenfile.NewCSV(tokenFile)
		if err != nil {
			return nil, err
		}
		methods = append(methods, bearertoken.New(tokens))
	}
	var public []apiserver.AnonymousAuthCondition
	for _, path := range PublicPaths {
		public = append(public, apiserver.AnonymousAuthCondition{Path: path})
	}
	return union.New(group.NewAuthenticatedGroupAdder(union.NewFailOnError(methods...)), anonymous.NewAuthenticator(public)), nil
}
