package certs

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"
)

// staple is an OCSP response as it is served.
type staple struct {
	raw      []byte
	until    time.Time // zero: it does not say
	produced time.Time
}

func (s *staple) over(now time.Time) bool { return s != nil && !s.until.IsZero() && now.After(s.until) }

// loadStaple reads the response for s. Only one that says that this certificate
// is good, now and signed for its issuer, is given.
func loadStaple(path string, s *shown, now time.Time) (*staple, error) {
	raw, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("OCSP response %s: %w", path, err)
	}
	r, err := parseStaple(raw, s, now)
	if err != nil {
		return nil, fmt.Errorf("OCSP response %s: %w", path, err)
	}
	return r, nil
}

func parseStaple(raw []byte, s *shown, now time.Time) (*staple, error) {
	if s.issuer == nil {
		return nil, errors.New("it cannot be checked: the certificate's issuer is not in the certificate's file, behind it")
	}
	r, err := ocsp.ParseResponseForCert(raw, s.Leaf, s.issuer)
	if err != nil {
		return nil, fmt.Errorf("it is not one for the certificate of serial %x: %w", s.Leaf.SerialNumber, err)
	}
	switch {
	case r.Status == ocsp.Revoked:
		return nil, fmt.Errorf("the certificate was revoked at %s: replace it", r.RevokedAt.UTC().Format(time.RFC3339))
	case r.Status != ocsp.Good:
		return nil, errors.New("its issuer does not know the certificate")
	case now.Before(r.ThisUpdate):
		return nil, fmt.Errorf("it is not valid before %s", r.ThisUpdate.UTC().Format(time.RFC3339))
	}
	out := &staple{raw: raw, until: r.NextUpdate, produced: r.ProducedAt}
	if out.over(now) {
		return nil, fmt.Errorf("it expired at %s", r.NextUpdate.UTC().Format(time.RFC3339))
	}
	return out, nil
}
