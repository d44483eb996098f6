package certs

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

// Whatever is wrong is one line that names the file and never has a key in it.
func TestFilesThatCannotBeServedWith(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, "authority of a test")
	leaf, other := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}), ca.Issue(t, certtest.Leaf{Names: []string{"b.example"}})
	certPEM, keyPEM, authority := string(leaf.CertPEM()), string(leaf.KeyPEM(t)), string(ca.PEM())
	good := Pair{Cert: put(t, dir, "good.crt", certPEM), Key: put(t, dir, "good.key", keyPEM)}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cert := func(name, content string) Options {
		return Options{Pairs: []Pair{{Cert: put(t, dir, name, content), Key: good.Key}}}
	}
	key := func(name, content string) Options {
		return Options{Pairs: []Pair{{Cert: good.Cert, Key: put(t, dir, name, content)}}}
	}
	clientCA := func(file string) Options {
		return Options{Pairs: []Pair{good}, ClientCA: file, ClientAuth: tls.RequireAndVerifyClientCert}
	}
	missing := filepath.Join(dir, "missing")
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"no pair":                 {Options{}, "there is no certificate"},
		"no key":                  {Options{Pairs: []Pair{good, {Cert: good.Cert}}}, "pair 2 has no file for its certificate, or none for its key"},
		"old version":             {Options{Pairs: []Pair{good}, MinVersion: tls.VersionTLS11}, "TLS 1.2 and 1.3 can be the minimum, not TLS 1.1"},
		"CAs, nobody asked":       {Options{Pairs: []Pair{good}, ClientCA: good.Cert}, "no client is asked for a certificate"},
		"asked, no CAs":           {Options{Pairs: []Pair{good}, ClientAuth: tls.VerifyClientCertIfGiven}, "no client CAs are given"},
		"asked, unchecked":        {Options{Pairs: []Pair{good}, ClientCA: good.Cert, ClientAuth: tls.RequireAnyClientCert}, "RequireAnyClientCert is not one that checks it"},
		"certificate missing":     {Options{Pairs: []Pair{{Cert: missing, Key: good.Key}}}, "certificate " + missing + ": no such file or directory"},
		"key missing":             {Options{Pairs: []Pair{{Cert: good.Cert, Key: missing}}}, "key " + missing + ": no such file or directory"},
		"directory":               {Options{Pairs: []Pair{{Cert: dir, Key: good.Key}}}, "it is not a regular file"},
		"pipe":                    {Options{Pairs: []Pair{{Cert: good.Cert, Key: fifo}}}, "key " + fifo + ": it is not a regular file"},
		"second pair":             {Options{Pairs: []Pair{good, {Cert: missing, Key: good.Key}}}, "certificate " + missing},
		"empty":                   {cert("empty", ""), "it has no certificate in PEM form"},
		"certificate is a key":    {cert("key.crt", keyPEM), "key.crt: it has no certificate in PEM form"},
		"too large":               {cert("large", strings.Repeat("#", maxFile+1)), "it has more than 1048576 bytes"},
		"chain cut off":           {cert("cut.crt", certPEM[:len(certPEM)-200]), "of the 2 certificates in it only 1 can be read"},
		"damaged in the middle":   {cert("damaged.crt", strings.Replace(certPEM, "MII", "M!I", 1)), "of the 2 certificates in it only 1 can be read"},
		"DER is none":             {cert("der.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1 in it: x509"},
		"key of another":          {key("other.key", string(other.KeyPEM(t))), "for certificate " + good.Cert + ": private key does not match public key"},
		"key cut off":             {key("cut.key", keyPEM[:len(keyPEM)/2]), "failed to find any PEM data in key input"},
		"key encrypted":           {key("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), "it is encrypted"},
		"CAs missing":             {clientCA(missing), "client CAs " + missing + ": no such file"},
		"CAs empty":               {clientCA(put(t, dir, "none.pem", "")), "it has no certificate in PEM form"},
		"OCSP missing":            {Options{Pairs: []Pair{{Cert: good.Cert, Key: good.Key, OCSP: missing}}}, "OCSP response " + missing + ": no such file"},
		"order of leaf and chain": {cert("order.crt", authority+certPEM), "private key does not match public key"},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.Log = slog.New(slog.DiscardHandler)
			s, err := Open(test.o)
			if err == nil {
				t.Fatalf("opened as %+v", s)
			}
			line := err.Error()
			if !strings.Contains(line, test.want) || strings.Contains(line, "\n") {
				t.Errorf("%q\nwant one line with %q", line, test.want)
			}
			if secret := strings.Split(keyPEM, "\n")[1][:20]; strings.Contains(line, secret) {
				t.Errorf("%q has the key in it", line)
			}
		})
	}
	if err := os.Chmod(good.Key, 0); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if _, err := loadPair(good.Cert, good.Key); err == nil || !strings.Contains(err.Error(), "key "+good.Key+": permission denied") {
			t.Error(err)
		}
	}
}

// Both in one file, as some programs write it.
func TestCertificateAndKeyInOneFile(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	both := put(t, f.dir, "both.pem", string(f.leaf.KeyPEM(t))+string(f.leaf.CertPEM()))
	s, _ := open(t, Options{Pairs: []Pair{{Cert: both, Key: both}}})
	f.serves(t, s, f.leaf)
}
