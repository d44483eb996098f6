package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/watch"
)

const (
	// remindFrom is how long before its end a certificate is warned of: who renews
	// it by hand has two weeks, and a renewal by program is long overdue.
	remindFrom = 14 * 24 * time.Hour
	// remindEvery is how often.
	remindEvery = 24 * time.Hour
)

// pair is a certificate that is served, and its files.
type pair struct {
	Pair
	trial   trial
	shown   *shown
	stapled trial
	staple  *staple   // nil: none
	warned  time.Time // of its end
}

// served is what a handshake gets. It is a copy: what was given to one does not
// change.
func (p *pair) served() *tls.Certificate {
	c := p.shown.Certificate
	if p.staple != nil {
		c.OCSPStaple = p.staple.raw
	}
	return &c
}

// open reads a pair at the start.
func (s *Store) open(p *pair, now time.Time) error {
	print := watch.Print([]string{p.Cert, p.Key})
	next, err := loadPair(p.Cert, p.Key)
	if err != nil {
		return err
	}
	p.trial.tried(print, now, nil)
	s.take(p, next, "certificate loaded")
	if err := invalid(next.Leaf, now); err != nil {
		s.log.Warn("the certificate is not valid and is served all the same: there is no other", "cert", p.Cert, "error", err)
		p.warned = now
	}
	s.remind(p, now)
	if p.OCSP == "" {
		return nil
	}
	if _, err := read(p.OCSP); err != nil {
		return fmt.Errorf("OCSP response %s: %w", p.OCSP, err)
	}
	if s.lookAtStaple(p, now); p.staple == nil {
		p.stapled.since = now.Add(-settle) // nobody is in the middle of replacing it: say so now
		s.lookAtStaple(p, now)
	}
	return nil
}

// lookAtPair takes certificate and key in if they have changed.
func (s *Store) lookAtPair(p *pair, now time.Time) (changed bool) {
	print := watch.Print([]string{p.Cert, p.Key})
	if !p.trial.due(print, now) {
		return false
	}
	next, err := loadPair(p.Cert, p.Key)
	if err == nil && invalid(p.shown.Leaf, now) == nil {
		if bad := invalid(next.Leaf, now); bad != nil {
			err = fmt.Errorf("certificate %s: %w", p.Cert, bad)
		}
	}
	say := p.trial.tried(print, now, err)
	switch {
	case err != nil && say:
		s.log.Error("a changed certificate is not taken in, the one from before is served on", "error", err,
			"serving", serial(p.shown.Leaf), "not_after", p.shown.Leaf.NotAfter)
	case err != nil:
	case !slices.EqualFunc(next.Certificate.Certificate, p.shown.Certificate.Certificate, bytes.Equal):
		s.take(p, next, "certificate replaced")
		p.stapled.again()
		return true
	case say:
		s.log.Info("certificate and key are right again, and those that are served", "cert", p.Cert)
	}
	return false
}

// take makes next what is served.
func (s *Store) take(p *pair, next *shown, what string) {
	p.shown, p.staple, p.warned = next, nil, time.Time{}
	leaf := next.Leaf
	s.log.Info(what, "cert", p.Cert, "names", names(leaf), "not_after", leaf.NotAfter, "serial", serial(leaf), "sha256", fingerprint(leaf))
	if exposed(p.Key) {
		s.log.Warn("everybody on this machine may read the key: chmod o-r it, or set defaultMode of its volume to 0440", "key", p.Key)
	}
}

// remind warns, once a day, of a certificate that ends soon or has ended.
func (s *Store) remind(p *pair, now time.Time) {
	end := p.shown.Leaf.NotAfter
	if left := end.Sub(now); left >= remindFrom || !p.warned.IsZero() && now.Sub(p.warned) < remindEvery {
		return
	} else if left < 0 {
		s.log.Error("the certificate has expired: replace its files, no restart is needed", "cert", p.Cert, "not_after", end)
	} else {
		s.log.Warn("the certificate expires soon: replace its files, no restart is needed", "cert", p.Cert, "not_after", end)
	}
	p.warned = now
}

// lookAtStaple takes the OCSP response in if it, or the certificate, has changed,
// and drops one that has expired: clients refuse the connection for it.
func (s *Store) lookAtStaple(p *pair, now time.Time) (changed bool) {
	if p.OCSP == "" {
		return false
	}
	if p.staple.over(now) {
		s.log.Error("the OCSP response has expired and is stapled no more: put a new one in its place", "ocsp", p.OCSP, "expired", p.staple.until)
		p.staple, changed = nil, true
	}
	print := watch.Print([]string{p.OCSP})
	if !p.stapled.due(print, now) {
		return changed
	}
	next, err := loadStaple(p.OCSP, p.shown, now)
	say := p.stapled.tried(print, now, err)
	switch {
	case err != nil && say && p.staple != nil:
		s.log.Error("a changed OCSP response is not taken in, the one from before is stapled on", "error", err, "until", p.staple.until)
	case err != nil && say:
		s.log.Error("no OCSP response is stapled", "cert", p.Cert, "error", err)
	case err != nil:
	case p.staple == nil || !bytes.Equal(next.raw, p.staple.raw):
		s.log.Info("OCSP response stapled", "ocsp", p.OCSP, "serial", serial(p.shown.Leaf), "produced", next.produced, "until", next.until)
		p.staple, changed = next, true
	}
	return changed
}

func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// fingerprint is the beginning of the one that browsers and openssl show.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:8])
}
