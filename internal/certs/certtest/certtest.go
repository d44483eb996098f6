// Package certtest makes certificates for tests: an authority, what it issues,
// and the files of that.
//
// Invariant: nothing of it is trusted anywhere but where a test says so, and what
// is written replaces a file as a whole, with another size each time.
//
// Smallest use:
//
//	ca := certtest.New(t, "test authority")
//	leaf := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
//	cert, key := leaf.Write(t, t.TempDir())
//	client := &tls.Config{RootCAs: ca.Pool()}
package certtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// Leaf says what a certificate is for.
type Leaf struct {
	Names     []string // of hosts, and addresses; the first is the subject's, too
	NotBefore time.Time
	NotAfter  time.Time // zero: in 90 days
	RSA       bool      // the kind of its key; ECDSA otherwise
}

// Issued is a certificate with its key, and its chain without the authority.
type Issued struct {
	Cert *x509.Certificate
	key  crypto.Signer
	ca   *Authority
}

var serials atomic.Int64

// New makes an authority of that name.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	key := signer(t, false)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return &Authority{Cert: create(t, template, template, key.Public(), key), key: key}
}

// Pool trusts it.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// PEM is its certificate as a file has it.
func (a *Authority) PEM() []byte { return block("CERTIFICATE", a.Cert.Raw) }

// Issue makes a certificate for servers and clients.
func (a *Authority) Issue(t testing.TB, l Leaf) *Issued {
	t.Helper()
	key := signer(t, l.RSA)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), NotBefore: l.NotBefore, NotAfter: l.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-24 * time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(0, 0, 90)
	}
	for i, name := range l.Names {
		if i == 0 {
			template.Subject.CommonName = name
		}
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return &Issued{Cert: create(t, template, a.Cert, key.Public(), a.key), key: key, ca: a}
}

// TLS is the certificate for a client or server of Go.
func (i *Issued) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.Cert.Raw, i.ca.Cert.Raw}, PrivateKey: i.key, Leaf: i.Cert}
}

// CertPEM is the certificate and its authority's.
func (i *Issued) CertPEM() []byte { return append(block("CERTIFICATE", i.Cert.Raw), i.ca.PEM()...) }

// KeyPEM is the key.
func (i *Issued) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

// Write replaces the files tls.crt and tls.key in dir.
func (i *Issued) Write(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	Put(t, cert, i.CertPEM())
	Put(t, key, i.KeyPEM(t))
	return cert, key
}

// OCSP is a response of the authority's for it, in DER form.
func (i *Issued) OCSP(t testing.TB, status int, thisUpdate, nextUpdate time.Time) []byte {
	t.Helper()
	der, err := ocsp.CreateResponse(i.ca.Cert, i.ca.Cert, ocsp.Response{
		Status: status, SerialNumber: i.Cert.SerialNumber, ThisUpdate: thisUpdate, NextUpdate: nextUpdate, RevokedAt: thisUpdate,
	}, i.ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

var puts atomic.Int64

// Put replaces a file as a whole, readable by its owner alone. A file in PEM form
// gets a comment of another length each time, so that two that are written within
// one tick of the file system's clock can be told apart.
func Put(t testing.TB, path string, content []byte) {
	t.Helper()
	if bytes.HasPrefix(content, []byte("-----")) {
		content = append(append(bytes.Repeat([]byte("#"), int(puts.Add(1)%4096)), '\n'), content...)
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func signer(t testing.TB, useRSA bool) (key crypto.Signer) {
	t.Helper()
	var err error
	if useRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func create(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
