package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often files are looked at.
const lookEvery = time.Second

// Pair names the files of one certificate, in PEM form but for OCSP.
type Pair struct {
	Cert string // the certificate, and behind it those up to its authority
	Key  string // its key; may be the same file
	OCSP string // a response to staple, in DER form; empty: none
}

// Options is what a Store is made of.
type Options struct {
	Pairs      []Pair             // at least one; the first is for whoever no other is for
	ClientCA   string             // authorities of clients' certificates, in PEM form; empty: no client shows one
	ClientAuth tls.ClientAuthType // NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert
	MinVersion uint16             // tls.VersionTLS12, also for 0, or tls.VersionTLS13
	Log        *slog.Logger
}

// check says what is contradictory about them.
func (o *Options) check() error {
	switch o.MinVersion {
	case 0:
		o.MinVersion = tls.VersionTLS12
	case tls.VersionTLS12, tls.VersionTLS13:
	default:
		return fmt.Errorf("TLS 1.2 and 1.3 can be the minimum, not %s", tls.VersionName(o.MinVersion))
	}
	for i, p := range o.Pairs {
		if p.Cert == "" || p.Key == "" {
			return fmt.Errorf("pair %d has no file for its certificate, or none for its key", i+1)
		}
	}
	switch {
	case len(o.Pairs) == 0:
		return errors.New("there is no certificate to serve with")
	case o.ClientAuth == tls.NoClientCert && o.ClientCA != "":
		return fmt.Errorf("client CAs %s are given and no client is asked for a certificate: ask for one, or leave them out", o.ClientCA)
	case o.ClientAuth == tls.NoClientCert:
	case o.ClientAuth != tls.VerifyClientCertIfGiven && o.ClientAuth != tls.RequireAndVerifyClientCert:
		return fmt.Errorf("of the ways to ask a client for a certificate %v is not one that checks it", o.ClientAuth)
	case o.ClientCA == "":
		return errors.New("clients are asked for certificates and no client CAs are given to check them by")
	}
	return nil
}

// Store has what is served now. It is made by Open, and its methods may be called
// from any goroutine, Watch once.
type Store struct {
	opt Options
	log news
	now atomic.Pointer[tls.Config]

	// Of who looks at the files, which may take long.
	pairs       []*pair
	authorities *authorities // nil: no client is asked

	mu      sync.Mutex // guards what follows, of which now is made
	served  []*tls.Certificate
	pool    *x509.CertPool
	base    *tls.Config
	tickets [][32]byte // newest first; none: Go's own
}

// Open reads all files. Its error is the first file that cannot be served with,
// and why; a certificate that is not valid now is served all the same, and an OCSP
// response that is not one for its certificate is left out: both are warned of.
func Open(o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Store{opt: o, log: news{logger: o.Log}, base: &tls.Config{}}
	defer s.log.tell()
	now := time.Now()
	for _, files := range o.Pairs {
		p := &pair{Pair: files}
		if err := s.open(p, now); err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
	}
	if o.ClientCA != "" {
		s.authorities = &authorities{file: o.ClientCA}
		if err := s.openAuthorities(now); err != nil {
			return nil, err
		}
	}
	s.publish()
	return s, nil
}

// Config is the configuration of a server: each handshake has what is served by
// then. What base says besides certificates and session tickets stays as it is, also
// which protocols are spoken, and who is asked for a certificate unless the Options say; nil is none. It is called before
// the first handshake.
func (s *Store) Config(base *tls.Config) *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if base == nil {
		base = &tls.Config{}
	}
	s.base = base.Clone()
	s.base.MinVersion = max(base.MinVersion, s.opt.MinVersion)
	s.base.Certificates, s.base.GetConfigForClient = nil, nil
	if s.opt.ClientAuth != tls.NoClientCert {
		s.base.ClientAuth = s.opt.ClientAuth
	}
	s.build()
	outer := s.base.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load(), nil }
	return outer
}

// SetTickets has session tickets sealed with the first key, and opened with each.
// Without it Go makes keys of its own, which no other process has. The keys are
// copied; those from before are wiped.
func (s *Store) SetTickets(keys [][32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tickets)
	s.tickets = append([][32]byte(nil), keys...)
	s.build()
}

// publish makes what has been read that which handshakes get.
func (s *Store) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = nil
	for _, p := range s.pairs {
		s.served = append(s.served, p.served())
	}
	if s.authorities != nil {
		s.pool = s.authorities.pool
	}
	s.build()
}

// build makes the configuration of handshakes. mu is held.
func (s *Store) build() {
	c := s.base.Clone()
	c.GetCertificate = newChoice(s.served).get
	if s.authorities != nil {
		c.ClientCAs = s.pool
	}
	if len(s.tickets) > 0 {
		c.SetSessionTicketKeys(s.tickets)
	}
	s.now.Store(c)
}

// Watch looks at the files once a second, until done is closed.
func (s *Store) Watch(done <-chan struct{}) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.look(time.Now())
		case <-done:
			return
		}
	}
}

// look takes in what has changed.
func (s *Store) look(now time.Time) {
	changed := s.lookAtAuthorities(now)
	for _, p := range s.pairs {
		changed = s.lookAtPair(p, now) || changed
		changed = s.lookAtStaple(p, now) || changed
		s.remind(p, now)
	}
	if changed {
		s.publish()
	}
	s.log.tell()
}
