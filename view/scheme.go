package view

import (
	"net/http"
	"net/url"
)

// Scheme is what the client speaks, "http" or "https". Behind a proxy that is not
// what the server's own connection speaks: package worker tells what the proxies
// say that its option TrustedProxies names, as it gives the client's address and
// host then. Another server tells it by a method Scheme() string of its
// ResponseWriter, "" for what its connection speaks.
func (r *Request) Scheme() string { return schemeOf(r.out.ResponseWriter, r.http) }

// Secure says whether the client speaks HTTPS.
func (r *Request) Secure() bool { return r.Scheme() == "https" }

// AbsoluteURL is ref as a whole URL of this site: "/there" becomes
// "https://www.example.com/there", and "" is the request's own. A ref that is whole
// already stays as it is; "" is the answer to one that is no URL.
//
// The host is the one that the client has sent. Where a link goes to somebody else,
// by mail or through a cache, the site's name must come from a setting.
func (r *Request) AbsoluteURL(ref string) string {
	to, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	base := *r.http.URL
	base.Scheme, base.Host = r.Scheme(), r.http.Host
	if ref == "" {
		return base.String()
	}
	return base.ResolveReference(to).String()
}

// schemeOf asks the server, and its connection where it has nothing to say.
func schemeOf(w http.ResponseWriter, r *http.Request) string {
	if server, ok := told[interface{ Scheme() string }](w); ok {
		if scheme := server.Scheme(); scheme != "" {
			return scheme
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
