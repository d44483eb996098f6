package auth

import (
	"context"
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tandem-go/tandem/view"
)

// maxCredentials bounds what is decoded of an Authorization header, in bytes.
const maxCredentials = 4096

// Basic makes middleware for HTTP Basic (RFC 7617), with UTF-8. It is async or
// sync as the checker's lookup is. It asks nobody for a password: that does the
// 401 of a route with [Require] or [LoggedIn]. It panics if the realm is not of
// printable ASCII. Over plain HTTP the password is there for all to read.
func Basic(realm string, c *Checker) view.Middleware {
	s := &scheme[basicClaim]{name: "auth.Basic", challenge: "Basic realm=" + quoted(realm) + `, charset="UTF-8"`, claim: readBasic}
	s.refusal = s.challenge
	if c.lookup.async != nil {
		s.async = func(ctx context.Context, r *view.Request, b basicClaim) (view.User, error) {
			a, err := c.Check(ctx, r, b.name, b.password)
			return a.User, err
		}
	} else {
		s.sync = func(r *view.Request, b basicClaim) (view.User, error) {
			a, err := c.CheckSync(r, b.name, b.password)
			return a.User, err
		}
	}
	return s.middleware()
}

type basicClaim struct{ name, password string }

func readBasic(r *view.Request) (basicClaim, bool, error) {
	credentials, ok, err := authorization(r, "Basic")
	if err != nil || !ok {
		return basicClaim{}, false, err
	}
	b, ok := parseBasic(credentials)
	if !ok {
		return basicClaim{}, false, errMalformed
	}
	return b, true, nil
}

// parseBasic decodes credentials: name and password with the first colon between
// them, neither with control characters.
func parseBasic(credentials string) (basicClaim, bool) {
	if len(credentials) > maxCredentials || strings.ContainsAny(credentials, "\r\n") { // which the decoder would skip
		return basicClaim{}, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(credentials)
	if err != nil || !utf8.Valid(b) {
		return basicClaim{}, false
	}
	name, password, ok := strings.Cut(string(b), ":")
	if !ok || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsFunc(password, unicode.IsControl) {
		return basicClaim{}, false
	}
	return basicClaim{name, password}, true
}
