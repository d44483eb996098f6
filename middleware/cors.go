package middleware

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"

	"github.com/tandem-go/tandem/view"
)

// Sharing is what scripts of other origins may do, for [CORS].
type Sharing struct {
	// Origins may read answers: as "https://app.example.com"; as
	// "https://*.example.com" for all below it; or "*", alone, for every site.
	Origins []string

	Methods     []string // GET, HEAD and POST if empty
	Headers     []string // of requests; Accept, Content-Type and X-Requested-With if empty; "*" for all
	Expose      []string // headers of answers that scripts may read
	Credentials bool     // whether cookies and the like may be sent along

	// MaxAge is how long browsers may remember the answer to a preflight request,
	// in whole seconds; zero is their own default.
	MaxAge time.Duration
}

// CORS lets scripts of other origins read answers. It is net/http middleware
// around everything, so a preflight request is answered here and reaches no view.
// Give it to [view.App.Use]: a route "GET /x" does not match OPTIONS, so middleware
// of its own would not see the preflight.
//
// An origin "*" with Credentials is refused: any site could read what its visitors
// may read here.
func CORS(c Sharing) (view.Middleware, error) {
	if err := c.check(); err != nil {
		return view.Middleware{}, fmt.Errorf("cors: %w", err)
	}
	return view.Use(cors.New(cors.Options{
		AllowedOrigins: c.Origins, AllowedMethods: c.Methods, AllowedHeaders: c.Headers, ExposedHeaders: c.Expose,
		AllowCredentials: c.Credentials, MaxAge: int(c.MaxAge / time.Second),
	}).Handler).Named("cors"), nil
}

func (c Sharing) check() error {
	if len(c.Origins) == 0 {
		return errors.New("no origins; without any, CORS is not needed")
	}
	if slices.Contains(c.Origins, "*") {
		if c.Credentials {
			return errors.New(`the origin "*" with Credentials would let every site read what its visitors may; name the origins`)
		}
		if len(c.Origins) > 1 {
			return errors.New(`the origin "*" has others beside it, which it makes void`)
		}
	} else {
		for _, o := range c.Origins {
			if err := checkOrigin(o); err != nil {
				return err
			}
		}
	}
	if c.Credentials && slices.Contains(c.Headers, "*") {
		return errors.New(`the header "*" with Credentials: name the headers`)
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"method", c.Methods}, {"header", c.Headers}, {"exposed header", c.Expose}} {
		for _, name := range list.names {
			if !isToken(name) {
				return fmt.Errorf("%q is no %s", name, list.what)
			}
		}
	}
	if c.MaxAge < 0 || c.MaxAge%time.Second != 0 {
		return fmt.Errorf("a MaxAge of %v: give whole seconds, or 0", c.MaxAge)
	}
	return nil
}

// checkOrigin accepts what browsers send as an origin, and all below a domain of
// two labels at least.
func checkOrigin(o string) error {
	host, below := strings.CutPrefix(o, "https://*.")
	if !below {
		host, below = strings.CutPrefix(o, "http://*.")
	}
	plain := o
	if below {
		plain = "https://" + host
	}
	u, err := url.Parse(plain)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Scheme+"://"+u.Host != plain,
		strings.ContainsAny(plain, "*, "), plain != strings.ToLower(plain):
		return fmt.Errorf("%q is no origin; give one such as https://app.example.com or https://*.example.com, without a path", o)
	case below && !strings.Contains(u.Hostname(), "."):
		return fmt.Errorf("%q means a whole top-level domain", o)
	}
	return nil
}

// isToken says whether s may be a method or the name of a header.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
