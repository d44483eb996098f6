package middleware

import (
	"fmt"
	"net/http"

	"github.com/tandem-go/tandem/view"
)

// CrossOrigin is who may send what [CSRF] refuses.
type CrossOrigin struct {
	// Trusted are origins such as "https://app.example.com", exactly as browsers
	// send them.
	Trusted []string

	// Bypass are patterns of http.ServeMux, as "POST /hooks/", whose requests are
	// not looked at. Such a route must know its callers by other means than what
	// browsers send by themselves, such as cookies.
	Bypass []string
}

// CSRF refuses, with 403, requests by which another site makes a visitor's browser
// change something here. It is net/http's CrossOriginProtection: GET, HEAD and
// OPTIONS pass, so they must change nothing; else Sec-Fetch-Site, which browsers
// send, must not say "cross-site" or "same-site", and without it Origin must be
// the request's host. Clients that send neither, as curl, are no browsers with
// cookies to abuse, and pass. There are no tokens to put into forms.
//
// A refusal comes before the view takes a permit, if it is outside of all sync
// code.
func CSRF(c CrossOrigin) (view.Middleware, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range c.Trusted {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return view.Middleware{}, fmt.Errorf("csrf: trusted origin %q: %w", origin, err)
		}
	}
	for _, pattern := range c.Bypass {
		if err := bypass(protection, pattern); err != nil {
			return view.Middleware{}, err
		}
	}
	return view.Phases(func(r *view.Request) (view.Response, error) {
		switch r.Method() {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			return nil, nil
		}
		// What the protection looks at; a view.Request does not give away its own.
		err := protection.Check(&http.Request{Method: r.Method(), URL: r.URL(), Host: r.Host(), Header: r.Header()})
		if err != nil {
			return nil, &view.Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "cross-origin request refused", Err: err}
		}
		return nil, nil
	}, nil).Named("csrf"), nil
}

// bypass adds a pattern, which panics if it is malformed.
func bypass(p *http.CrossOriginProtection, pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("csrf: bypass %q: %v", pattern, v)
		}
	}()
	p.AddInsecureBypassPattern(pattern)
	return nil
}
