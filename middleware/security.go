package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/view"
)

// Omit is the value of a header that is not to be sent.
const Omit = "-"

// Security is what [SecurityHeaders] sends. Of the strings "" is the default, and
// [Omit] sends nothing.
type Security struct {
	ContentSecurityPolicy string // nothing by default: it is the pages' own affair
	FrameOptions          string // X-Frame-Options; "DENY" by default
	ReferrerPolicy        string // "same-origin" by default
	OpenerPolicy          string // Cross-Origin-Opener-Policy; "same-origin" by default
	PermissionsPolicy     string // nothing by default

	// HSTS is for how long browsers shall use nothing but HTTPS, in whole seconds; zero sends no
	// Strict-Transport-Security. It is sent to clients that use HTTPS (view.Request.Secure) only.
	HSTS           time.Duration
	HSTSSubdomains bool
	HSTSPreload    bool // the list of browsers wants subdomains, and a year at least
}

const year = 365 * 24 * time.Hour

// SecurityHeaders adds headers that have browsers be careful, X-Content-Type-Options
// among them, to every response. What a view sets itself wins.
func SecurityHeaders(c Security) (view.Middleware, error) {
	plain := http.Header{"X-Content-Type-Options": {"nosniff"}}
	for _, h := range []struct{ key, value, byDefault string }{
		{"Content-Security-Policy", c.ContentSecurityPolicy, Omit},
		{"X-Frame-Options", c.FrameOptions, "DENY"},
		{"Referrer-Policy", c.ReferrerPolicy, "same-origin"},
		{"Cross-Origin-Opener-Policy", c.OpenerPolicy, "same-origin"},
		{"Permissions-Policy", c.PermissionsPolicy, Omit},
	} {
		value := h.value
		if value == "" {
			value = h.byDefault
		}
		if err := fieldValue(value); err != nil {
			return view.Middleware{}, fmt.Errorf("security headers: %s: %w", h.key, err)
		}
		if value != Omit {
			plain[h.key] = []string{value}
		}
	}
	secure := plain.Clone()
	switch {
	case c.HSTS < 0 || c.HSTS%time.Second != 0:
		return view.Middleware{}, fmt.Errorf("security headers: HSTS of %v: give whole seconds, or 0 for none", c.HSTS)
	case c.HSTS == 0 && (c.HSTSSubdomains || c.HSTSPreload):
		return view.Middleware{}, errors.New("security headers: HSTS for subdomains or preload, but HSTS is 0")
	case c.HSTSPreload && (!c.HSTSSubdomains || c.HSTS < year):
		return view.Middleware{}, errors.New("security headers: HSTSPreload needs HSTSSubdomains and an HSTS of a year (8760h) at least")
	case c.HSTS > 0:
		value := "max-age=" + strconv.FormatInt(int64(c.HSTS/time.Second), 10)
		if c.HSTSSubdomains {
			value += "; includeSubDomains"
		}
		if c.HSTSPreload {
			value += "; preload"
		}
		secure["Strict-Transport-Security"] = []string{value}
	}
	return view.Phases(nil, func(r *view.Request, resp view.Response) (view.Response, error) {
		if r.Secure() {
			return view.WithHeaders(resp, secure), nil
		}
		return view.WithHeaders(resp, plain), nil
	}).Named("securityHeaders"), nil
}

// fieldValue refuses what would be another line in a header, or unreadable.
func fieldValue(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return fmt.Errorf("%q has a character that is no printable ASCII", s)
		}
	}
	return nil
}
