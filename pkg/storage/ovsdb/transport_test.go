package ovsdb_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// listening is what a server's log says of a port that it was to choose itself.
var listening = regexp.MustCompile(`: listening on port (\d+)\n`)

// port waits until a server that was told to listen on port 0 says on which one it does.
func port(t *testing.T, c *ovn.Central) (port string) {
	t.Helper()
	eventually(t, "the server listens", func() bool {
		log, err := os.ReadFile(c.Logs()[0])
		if err != nil {
			t.Fatal(err)
		}
		found := listening.FindSubmatch(log)
		if found != nil {
			port = string(found[1])
		}
		return found != nil
	})
	return port
}

func TestTCP(t *testing.T) {
	c := ovntest.NB(t, ovntest.NBArgs("--remote=ptcp:0:127.0.0.1"))
	s := dial(t, at("tcp:127.0.0.1:"+port(t, c)))
	monitor(t, s, "")
	_, updates := reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("a")})
	}))
	if len(updates) != 1 {
		t.Errorf("got %d updates, want 1", len(updates))
	}
}

// authority signs certificates and writes what the server needs.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, cert}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// files writes a certificate for a server, and returns its arguments.
func (a authority) files(t *testing.T, c tls.Certificate) []string {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, f := range []struct {
		option, kind string
		der          []byte
	}{
		{"private-key", "PRIVATE KEY", key},
		{"certificate", "CERTIFICATE", c.Certificate[0]},
		{"ca-cert", "CERTIFICATE", a.cert.Raw},
	} {
		path := filepath.Join(dir, f.option)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--"+f.option+"="+path)
	}
	return args
}

func TestSSL(t *testing.T) {
	ours, foreign := newAuthority(t, "ours"), newAuthority(t, "foreign")
	args := ours.files(t, ours.issue(t, "server"))
	c := ovntest.NB(t, ovntest.NBArgs(append(args, "--remote=pssl:0:127.0.0.1")...))
	address := "ssl:127.0.0.1:" + port(t, c)
	options := func(roots authority, client authority) ovsdb.Options {
		return ovsdb.Options{Addresses: []string{address}, TLS: &tls.Config{
			RootCAs: roots.pool(), Certificates: []tls.Certificate{client.issue(t, "client")},
		}}
	}
	s := dial(t, options(ours, ours))
	monitor(t, s, "")
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) {
		txn.Insert("Copp", ovsdb.NewUUID(), ovsdb.Row{"name": ovsdb.String("a")})
	}))

	_, err := ovsdb.Dial(t.Context(), options(foreign, ours))
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("a server that another authority has certified: got error %v, want %T", err, unknown)
	}
	if _, err := ovsdb.Dial(t.Context(), options(ours, foreign)); err == nil {
		t.Error("the server accepted a client that another authority has certified")
	}
}

// relay forwards a connection and tells what passes through it.
type relay struct{ fromServer, fromClient func([]byte) }

func (r relay) listen(t *testing.T, network, target string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial(network, target)
		if err != nil {
			return
		}
		defer server.Close()
		go func() {
			defer server.Close()
			_, _ = io.Copy(io.MultiWriter(server, observer(r.fromClient)), client)
		}()
		_, _ = io.Copy(io.MultiWriter(client, observer(r.fromServer)), server)
	}()
	return "tcp:" + l.Addr().String()
}

type observer func([]byte)

func (o observer) Write(b []byte) (int, error) {
	o(b)
	return len(b), nil
}

// A server probes clients that say nothing, and drops those that do not answer.
func TestTheServersProbeIsAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("the shortest interval of the server's probes is a second")
	}
	c := ovntest.NB(t, ovntest.NBArgs("--remote=db:OVN_Northbound,NB_Global,connections"))
	ovntest.Nbctl(t, c.NBAddress(), "--inactivity-probe=1000", "set-connection", "ptcp:0:127.0.0.1")
	server := "127.0.0.1:" + port(t, c)
	probes, answers := make(chan struct{}, 100), make(chan struct{}, 100)
	address := relay{
		fromServer: func(b []byte) {
			if bytes.Contains(b, []byte(`"method":"echo"`)) {
				probes <- struct{}{}
			}
		},
		fromClient: func(b []byte) {
			if bytes.Contains(b, []byte(`"id":"echo","result":[]`)) {
				answers <- struct{}{}
			}
		},
	}.listen(t, "tcp", server)
	s := dial(t, ovsdb.Options{Addresses: []string{address}, ProbeInterval: time.Hour})
	for range 2 {
		for what, seen := range map[string]chan struct{}{"probe of the server": probes, "answer to the server's probe": answers} {
			select {
			case <-seen:
			case e, ok := <-s.Events():
				t.Fatalf("got %v, %v: %v", e, ok, s.Err())
			case <-time.After(patience):
				t.Fatalf("no %s", what)
			}
		}
	}
	reply(t, s, send(t, s, func(txn *ovsdb.Txn) { txn.Select("NB_Global", ovsdb.UUID{}) }))
}
