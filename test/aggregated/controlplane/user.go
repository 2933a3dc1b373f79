package controlplane

import (
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// User returns the client configuration, without rate limits, of a user who is authenticated by a certificate.
// The group "system:masters" may do everything.
func (cp *ControlPlane) User(name string, groups ...string) (*rest.Config, error) {
	file, err := cp.Kubeconfig(name, groups...)
	if err != nil {
		return nil, err
	}
	c, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, err
	}
	c.QPS = -1
	return c, nil
}

// Kubeconfig returns the file that lets a user, who is authenticated by a certificate, into the control plane.
// It is written once for each name.
func (cp *ControlPlane) Kubeconfig(name string, groups ...string) (string, error) {
	base := strings.ReplaceAll(name, ":", "-")
	file := filepath.Join(cp.path("pki"), base+".kubeconfig")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	cert, err := cp.users.client(base, name, groups...)
	if err != nil {
		return "", err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: cp.Server, CertificateAuthority: cp.users.file()}
	c.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificate: cert.cert, ClientKey: cert.key}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: name}
	c.CurrentContext = "test"
	return file, clientcmd.WriteToFile(*c, file)
}
