package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxFile bounds what is read of one file. A bundle of all public authorities is
// a quarter of that.
const maxFile = 1 << 20

// read gives a file's content, its own bytes: the caller may wipe them.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() { // and opening it might wait
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	content := make([]byte, 0, min(info.Size(), maxFile)+1+bytes.MinRead) // no growing: no copy of a key is left behind
	b := bytes.NewBuffer(content)
	if _, err = io.Copy(b, io.LimitReader(f, maxFile+1)); err != nil {
		return nil, bare(err)
	}
	if b.Len() > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return b.Bytes(), nil
}

// bare is the system's error without the path, which is said elsewhere.
func bare(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// parseChain gives the certificates of a PEM file in their order. Other blocks,
// such as a key in the same file, are skipped.
func parseChain(text []byte) ([]*x509.Certificate, error) {
	const begin = "-----BEGIN CERTIFICATE-----"
	var chain []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	// Decode passes over blocks that it cannot read.
	if n := bytes.Count(text, []byte(begin)); n > len(chain) {
		return nil, fmt.Errorf("of the %d certificates in it only %d can be read: it is cut off or damaged", n, len(chain))
	}
	if len(chain) == 0 {
		return nil, errors.New("it has no certificate in PEM form")
	}
	return chain, nil
}

// shown is a certificate with its key, as it is served.
type shown struct {
	tls.Certificate
	issuer *x509.Certificate // of the leaf; nil: not in the file
}

// loadPair reads a certificate and its key, whole and matching. Whether the
// certificate is valid now is not asked.
func loadPair(cert, key string) (*shown, error) {
	certPEM, err := read(cert)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", cert, err)
	}
	defer clear(certPEM) // the key may be in it
	chain, err := parseChain(certPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", cert, err)
	}
	keyPEM, err := read(key)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", key, err)
	}
	defer clear(keyPEM)
	if bytes.Contains(keyPEM, []byte("ENCRYPTED")) {
		return nil, fmt.Errorf("key %s: it is encrypted, and nobody is here to type a passphrase: store it decrypted, readable by the workers' user alone", key)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("key %s for certificate %s: %s", key, cert, strings.TrimPrefix(err.Error(), "tls: "))
	}
	s := &shown{Certificate: pair}
	s.Leaf = chain[0]
	for _, c := range chain { // a self-signed one is its own
		if s.Leaf.CheckSignatureFrom(c) == nil {
			s.issuer = c
			break
		}
	}
	return s, nil
}

// exposed reports whether everybody on the machine may read the file.
func exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// invalid says why a certificate is not valid at now, nil if it is.
func invalid(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("it is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
