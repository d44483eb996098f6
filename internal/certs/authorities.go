package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/watch"
)

// authorities are those that clients' certificates come from, and their file.
type authorities struct {
	file  string
	trial trial
	all   []*x509.Certificate
	pool  *x509.CertPool
}

// take makes what the file has now that which counts.
func (a *authorities) take() (changed bool, err error) {
	text, err := read(a.file)
	if err != nil {
		return false, fmt.Errorf("client CAs %s: %w", a.file, err)
	}
	all, err := parseChain(text)
	if err != nil {
		return false, fmt.Errorf("client CAs %s: %w", a.file, err)
	}
	if slices.EqualFunc(all, a.all, (*x509.Certificate).Equal) {
		return false, nil
	}
	a.all, a.pool = all, x509.NewCertPool()
	for _, c := range all {
		a.pool.AddCert(c)
	}
	return true, nil
}

// openAuthorities reads them at the start.
func (s *Store) openAuthorities(now time.Time) error {
	a := s.authorities
	print := watch.Print([]string{a.file})
	if _, err := a.take(); err != nil {
		return err
	}
	a.trial.tried(print, now, nil)
	s.reportAuthorities("client CAs loaded", now)
	return nil
}

// lookAtAuthorities takes the file in if it has changed.
func (s *Store) lookAtAuthorities(now time.Time) (changed bool) {
	a := s.authorities
	if a == nil {
		return false
	}
	print := watch.Print([]string{a.file})
	if !a.trial.due(print, now) {
		return false
	}
	changed, err := a.take()
	say := a.trial.tried(print, now, err)
	switch {
	case changed:
		s.reportAuthorities("client CAs replaced", now)
	case say && err != nil:
		s.log.Error("changed client CAs are not taken in, those from before still count", "error", err)
	case say:
		s.log.Info("client CAs are right again", "file", a.file)
	}
	return changed
}

func (s *Store) reportAuthorities(what string, now time.Time) {
	var names []string
	for _, c := range s.authorities.all {
		names = append(names, c.Subject.String())
		if err := invalid(c, now); err != nil {
			s.log.Warn("a client CA is not valid: clients with its certificates are refused", "file", s.authorities.file, "ca", c.Subject.String(), "error", err)
		}
	}
	s.log.Info(what, "file", s.authorities.file, "cas", names)
}
