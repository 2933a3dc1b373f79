package standalone

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// certValidity is long because nothing rotates these certificates while the server runs; each start issues new ones.
const certValidity = 10 * 365 * 24 * time.Hour

// KeyPair is a certificate and its private key, both PEM.
type KeyPair struct {
	Cert, Key []byte
}

// PKI is the server's own certificate authority. It outlives restarts, so that kubeconfigs that users copied stay valid.
type PKI struct {
	dir  string
	ca   *x509.Certificate
	key  crypto.Signer
	pair KeyPair
}

// OpenPKI loads the authority from a folder, or makes one there. An authority that expires within a year is replaced.
func OpenPKI(dir string) (*PKI, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &PKI{dir: dir}
	err := p.load()
	if errors.Is(err, fs.ErrNotExist) || (err == nil && time.Until(p.ca.NotAfter) < 365*24*time.Hour) {
		err = p.create()
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority in %s: %w", dir, err)
	}
	return p, nil
}

// CA is the authority's certificate, PEM.
func (p *PKI) CA() []byte { return p.pair.Cert }

// CAFile is the path of the authority's certificate.
func (p *PKI) CAFile() string { return filepath.Join(p.dir, "ca.crt") }

func (p *PKI) load() error {
	var err error
	if p.pair.Cert, err = os.ReadFile(p.CAFile()); err != nil {
		return err
	}
	if p.pair.Key, err = os.ReadFile(filepath.Join(p.dir, "ca.key")); err != nil {
		return err
	}
	certs, err := cert.ParseCertsPEM(p.pair.Cert)
	if err != nil {
		return err
	}
	key, err := keyutil.ParsePrivateKeyPEM(p.pair.Key)
	if err != nil {
		return err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("ca.key holds a %T, which cannot sign", key)
	}
	p.ca, p.key = certs[0], signer
	return nil
}

func (p *PKI) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p.ca, err = cert.NewSelfSignedCACert(cert.Config{CommonName: "northbound"}, key)
	if err != nil {
		return err
	}
	p.key = key
	if p.pair, err = encode(p.ca.Raw, key); err != nil {
		return err
	}
	// The key first: a certificate without its key would be taken for a complete authority at the next start.
	if err := replaceFile(filepath.Join(p.dir, "ca.key"), p.pair.Key, 0o600); err != nil {
		return err
	}
	return replaceFile(p.CAFile(), p.pair.Cert, 0o644)
}

// Serving issues a server certificate for names and addresses, writes it beside the authority and returns the two paths.
func (p *PKI) Serving(names []string, addrs []netip.Addr) (certFile, keyFile string, err error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "northbound-apiserver"},
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, a := range addrs {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	pair, err := p.issue(template)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(p.dir, "apiserver.crt"), filepath.Join(p.dir, "apiserver.key")
	if err := replaceFile(keyFile, pair.Key, 0o600); err != nil {
		return "", "", err
	}
	return certFile, keyFile, replaceFile(certFile, pair.Cert, 0o644)
}

// Client issues a client certificate: common name is the user, organizations are the groups.
func (p *PKI) Client(user string, groups ...string) (KeyPair, error) {
	return p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (p *PKI) issue(template *x509.Certificate) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return KeyPair{}, err
	}
	template.NotBefore = p.ca.NotBefore
	template.NotAfter = time.Now().Add(certValidity)
	if template.NotAfter.After(p.ca.NotAfter) {
		template.NotAfter = p.ca.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca, key.Public(), p.key)
	if err != nil {
		return KeyPair{}, err
	}
	return encode(der, key)
}

func encode(der []byte, key *ecdsa.PrivateKey) (KeyPair, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return KeyPair{}, err
	}
	certPEM, err := cert.EncodeCertificates(c)
	if err != nil {
		return KeyPair{}, err
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Cert: certPEM, Key: keyPEM}, nil
}
