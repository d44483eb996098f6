package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/worker"
)

// tlsSettings are APP_TLS_*. Their lists are of the same order: the first key is the first certificate's.
type tlsSettings struct {
	Cert       tlsFiles   `split_words:"true" desc:"speak TLS with these certificates, PEM, separated by commas: by the name that a client asks for, else the first"`
	Key        tlsFiles   `split_words:"true" desc:"their keys, PEM; the files are read again when they change"`
	ClientCA   tlsFile    `split_words:"true" desc:"authorities of clients' certificates, PEM"`
	ClientAuth clientAuth `split_words:"true" desc:"off, optional or required: whether clients show a certificate of these authorities"`
	OCSP       tlsFiles   `split_words:"true" desc:"responses to staple, DER; an empty place in the list is a certificate without"`
	MinVersion tlsVersion `split_words:"true" desc:"1.2 or 1.3, 1.2"`
}

// check says what contradicts itself.
func (t tlsSettings) check() error {
	certs, keys, staples := t.Cert.list(), t.Key.list(), t.OCSP.list()
	if len(certs) == 0 {
		for _, needs := range []struct {
			name string
			set  bool
		}{
			{"APP_TLS_KEY", len(keys) > 0},
			{"APP_TLS_OCSP", len(staples) > 0},
			{"APP_TLS_CLIENT_CA", t.ClientCA != ""},
			{"APP_TLS_CLIENT_AUTH", t.ClientAuth != 0},
			{"APP_TLS_MIN_VERSION", t.MinVersion != 0},
		} {
			if needs.set {
				return fmt.Errorf("%s is set and APP_TLS_CERT is not: there is no TLS without a certificate", needs.name)
			}
		}
		return nil
	}
	switch {
	case len(keys) == 0:
		return errors.New("APP_TLS_CERT is set and APP_TLS_KEY is not: a certificate needs its key")
	case len(keys) != len(certs):
		return fmt.Errorf("APP_TLS_CERT names %d files and APP_TLS_KEY %d: each certificate needs its key, in the same order", len(certs), len(keys))
	case slices.Contains(certs, ""), slices.Contains(keys, ""):
		return errors.New("APP_TLS_CERT and APP_TLS_KEY have no place for nothing: take out the comma that is too many")
	case len(staples) > 0 && len(staples) != len(certs):
		return fmt.Errorf("APP_TLS_CERT names %d files and APP_TLS_OCSP %d: leave a place empty for a certificate without a response", len(certs), len(staples))
	case t.ClientCA != "" && t.ClientAuth == 0:
		return errors.New("APP_TLS_CLIENT_CA is set and APP_TLS_CLIENT_AUTH is off: say optional or required, or unset the file")
	case t.ClientCA == "" && t.ClientAuth != 0:
		return errors.New("APP_TLS_CLIENT_AUTH asks for certificates and APP_TLS_CLIENT_CA is not set: it says by which authorities they are checked")
	}
	return nil
}

// options is TLS, where it is asked for.
func (t tlsSettings) options() []worker.Option {
	certs, keys, staples := t.Cert.list(), t.Key.list(), t.OCSP.list()
	if len(certs) == 0 {
		return nil
	}
	c := worker.Certificates{ClientCA: string(t.ClientCA), ClientAuth: tls.ClientAuthType(t.ClientAuth), MinVersion: uint16(t.MinVersion)}
	for i := range certs {
		pair := worker.CertificateFiles{Cert: certs[i], Key: keys[i]}
		if len(staples) > 0 {
			pair.OCSP = staples[i]
		}
		c.Pairs = append(c.Pairs, pair)
	}
	return []worker.Option{worker.TLS(c)}
}

// tlsFile is the path of a file that is there.
type tlsFile string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *tlsFile) UnmarshalText(text []byte) error {
	*f = tlsFile(text)
	if len(text) == 0 {
		return nil
	}
	_, err := os.Stat(string(text))
	return err
}

// tlsFiles are several, separated by commas. It is a string, so that settings can be compared.
type tlsFiles string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *tlsFiles) UnmarshalText(text []byte) error {
	*f = tlsFiles(text)
	for _, path := range f.list() {
		var one tlsFile
		if err := one.UnmarshalText([]byte(path)); err != nil {
			return err
		}
	}
	return nil
}

func (f tlsFiles) list() []string {
	if f == "" {
		return nil
	}
	list := strings.Split(string(f), ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// clientAuth is whether clients show a certificate.
type clientAuth tls.ClientAuthType

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *clientAuth) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "off":
		*c = clientAuth(tls.NoClientCert)
	case "optional":
		*c = clientAuth(tls.VerifyClientCertIfGiven)
	case "required":
		*c = clientAuth(tls.RequireAndVerifyClientCert)
	default:
		return oneOf(text, "off", "optional", "required")
	}
	return nil
}

// tlsVersion is the lowest that is spoken; 0: not said.
type tlsVersion uint16

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *tlsVersion) UnmarshalText(text []byte) error {
	switch string(text) {
	case "":
	case "1.2":
		*v = tls.VersionTLS12
	case "1.3":
		*v = tls.VersionTLS13
	default:
		return oneOf(text, "1.2", "1.3")
	}
	return nil
}
