// Package standalone is what a Kubernetes cluster otherwise provides: certificates, users, rules and a data folder, for
// an API server that runs next to an OVN Northbound database and nothing else.
//
// Everything lives in one folder:
//
//	<data-dir>/server.lock              held while a server runs
//	<data-dir>/admin.kubeconfig         a client certificate of the group system:masters
//	<data-dir>/pki/{ca,apiserver}.{crt,key}
//	<data-dir>/nb.sock ...              the private database, when no --nb-address is given
package standalone
