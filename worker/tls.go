package worker

import (
	"crypto/tls"
	"fmt"

	"github.com/tandem-go/tandem/internal/certs"
	"github.com/tandem-go/tandem/internal/channel"
)

// Certificates is what TLS serves with. Files are in PEM form unless it says
// otherwise, and read by the user that the process runs as.
type Certificates struct {
	// Pairs has at least one. A client gets the one for the name that it asks for:
	// of that very name, else of a wildcard; one that asks for none gets the one for
	// the address that it has connected to. Whom none fits gets the first. Several
	// for one name are for clients that know one kind of key only.
	Pairs []CertificateFiles

	// ClientAuth says whether clients show a certificate: tls.NoClientCert,
	// tls.VerifyClientCertIfGiven or tls.RequireAndVerifyClientCert. What was verified
	// is in a request's TLS.VerifiedChains. Other values are refused.
	ClientAuth tls.ClientAuthType

	// ClientCA is the file with the authorities that clients' certificates come
	// from; needed where they are asked for, and refused where not.
	ClientCA string

	// MinVersion is tls.VersionTLS12, also for 0, or tls.VersionTLS13.
	MinVersion uint16
}

// CertificateFiles names the files of one certificate.
type CertificateFiles struct {
	Cert string // the certificate, and behind it those that lead to its authority
	Key  string // its key, not encrypted; may be the same file
	OCSP string // a response in DER form, to be stapled while it is good; empty: none
}

// TLS has every socket speak TLS 1.2 or higher with these certificates: HTTP/1.1
// and, unless ConfigureServer says otherwise, HTTP/2.
//
// At the start a file that cannot be served with is an error of Run. From then on
// the files are looked at once a second, and what has changed is served to new
// connections; those that are open, and the process, are not touched. Files that
// have turned bad are logged, once, when they have been so for five seconds, and
// what was served before is served on. An expired certificate is served at the start,
// with a warning, and never takes the place of a valid one.
//
// Under Tandem's supervisor a client's session ticket resumes at every worker,
// also after a reload: the supervisor makes the keys. Otherwise Go makes them.
//
// What ConfigureServer puts into TLSConfig besides certificates and GetConfigForClient
// is kept, unless these Certificates say something of it.
func TLS(c Certificates) Option { return func(o *options) { o.certificates = &c } }

// openCertificates reads what TLS says, nil without it.
func (o *options) openCertificates() (*certs.Store, error) {
	c := o.certificates
	if c == nil {
		return nil, nil
	}
	files := certs.Options{ClientCA: c.ClientCA, ClientAuth: c.ClientAuth, MinVersion: c.MinVersion, Log: o.logger}
	for _, p := range c.Pairs {
		files.Pairs = append(files.Pairs, certs.Pair(p))
	}
	s, err := certs.Open(files)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return s, nil
}

// takeTickets has session tickets sealed with the supervisor's keys, which all
// workers have. Whoever speaks no TLS of ours forgets them.
func (r *run) takeTickets(told channel.TicketKeys) {
	defer told.Wipe()
	if r.certs == nil || len(told) == 0 {
		return
	}
	keys := make([][32]byte, len(told))
	defer clear(keys)
	for i, key := range told {
		keys[i] = [32]byte(key)
	}
	r.certs.SetTickets(keys)
	r.logger.Debug("session tickets have the supervisor's keys", "keys", len(keys))
}
