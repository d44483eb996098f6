package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gobwas/httphead"
)

// version is the only version of the protocol there is.
const version = "13"

// Options says what a handshake may agree on.
type Options struct {
	Subprotocols []string // best first
	Origins      []string // "https://example.com" or "example.com", besides the request's own host
	AnyOrigin    bool
	Compress     bool
}

// Refusal is an answer to a handshake that cannot be agreed to.
type Refusal struct {
	Status  int
	Message string
	Header  http.Header // what the answer needs to say besides; may be nil
}

func (r *Refusal) Error() string { return r.Message }

// Agreed is what the answer to a handshake says.
type Agreed struct {
	Header      http.Header // of the answer with status 101
	Subprotocol string      // "" if there is none
	Deflate     *Deflate    // nil: messages are not compressed
}

// Check reads a handshake as strictly as RFC 6455 lets a server. What a cross-site
// page asks for is refused: browsers send cookies with such handshakes.
func Check(r *http.Request, o Options) (Agreed, *Refusal) {
	key, refusal := checkUpgrade(r)
	if refusal != nil {
		return Agreed{}, refusal
	}
	if !o.AnyOrigin {
		if refusal := checkOrigin(r, o.Origins); refusal != nil {
			return Agreed{}, refusal
		}
	}
	a := Agreed{Header: http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {accept(key)},
	}}
	offered, ok := tokens(r.Header, "Sec-Websocket-Protocol")
	if !ok {
		return Agreed{}, refuse(http.StatusBadRequest, "Sec-WebSocket-Protocol is malformed")
	}
	for _, p := range o.Subprotocols {
		if slices.Contains(offered, p) {
			a.Subprotocol = p
			a.Header["Sec-Websocket-Protocol"] = []string{p}
			break
		}
	}
	var offers []extension
	if lines := r.Header["Sec-Websocket-Extensions"]; len(lines) > 0 {
		if offers, ok = extensions(strings.Join(lines, ",")); !ok {
			return Agreed{}, refuse(http.StatusBadRequest, "Sec-WebSocket-Extensions is malformed")
		}
	}
	if o.Compress {
		var said string
		if a.Deflate, said = agree(offers); a.Deflate != nil {
			a.Header["Sec-Websocket-Extensions"] = []string{said}
		}
	}
	return a, nil
}

func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Message: fmt.Sprintf(format, args...)}
}

// upgradeRequired is the refusal of what is no handshake at all.
func upgradeRequired(message string) *Refusal {
	return &Refusal{http.StatusUpgradeRequired, message, http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}}
}

// checkUpgrade checks all but who asks and for what, and returns the key.
func checkUpgrade(r *http.Request) (string, *Refusal) {
	if r.Method != http.MethodGet {
		return "", &Refusal{http.StatusMethodNotAllowed, "a WebSocket handshake is a GET request", http.Header{"Allow": {"GET"}}}
	}
	if r.ProtoMajor > 1 {
		return "", refuse(http.StatusBadRequest, "a WebSocket handshake needs HTTP/1.1, this is %s", r.Proto)
	}
	if !r.ProtoAtLeast(1, 1) {
		return "", upgradeRequired("a WebSocket handshake needs HTTP/1.1")
	}
	if !has(r.Header, "Connection", "upgrade") || !has(r.Header, "Upgrade", "websocket") {
		return "", upgradeRequired("this is a WebSocket: Connection: Upgrade and Upgrade: websocket are missing")
	}
	if v := r.Header["Sec-Websocket-Version"]; len(v) != 1 || v[0] != version {
		refusal := upgradeRequired("the version of WebSocket must be " + version)
		refusal.Header["Sec-Websocket-Version"] = []string{version}
		return "", refusal
	}
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 {
		return "", refuse(http.StatusBadRequest, "there must be one Sec-WebSocket-Key, there are %d", len(keys))
	}
	if b, err := base64.StdEncoding.Strict().DecodeString(keys[0]); err != nil || len(b) != 16 {
		return "", refuse(http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	if r.Host == "" {
		return "", refuse(http.StatusBadRequest, "there must be a Host")
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return "", refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	}
	return keys[0], nil
}

// accept is the answer to a key.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// checkOrigin refuses what a page of another site asks for. Programs send no Origin.
func checkOrigin(r *http.Request, allowed []string) *Refusal {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return nil
	}
	u, err := url.Parse(origins[0])
	if len(origins) > 1 || err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origins[0] {
		return refuse(http.StatusForbidden, "the Origin of this handshake is none that can be told")
	}
	host := hostOf(u.Host, u.Scheme)
	if host == hostOf(r.Host, u.Scheme) {
		return nil
	}
	for _, a := range allowed {
		scheme, rest, ok := strings.Cut(a, "://")
		if !ok {
			scheme, rest = u.Scheme, a
		}
		if strings.EqualFold(scheme, u.Scheme) && hostOf(rest, scheme) == host {
			return nil
		}
	}
	return refuse(http.StatusForbidden, "pages of this Origin may not open the WebSocket")
}

// hostOf is a host to compare, without the port that its scheme has anyway.
func hostOf(host, scheme string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// tokens are the elements of a header that is a list; false if it is malformed
// or has one twice.
func tokens(h http.Header, key string) ([]string, bool) {
	var all []string
	for _, line := range h[key] {
		twice := false
		ok := httphead.ScanTokens([]byte(line), func(t []byte) bool {
			twice = twice || slices.Contains(all, string(t))
			all = append(all, string(t))
			return true
		})
		if !ok || twice {
			return nil, false
		}
	}
	return all, true
}

func has(h http.Header, key, token string) bool {
	for _, line := range h[key] {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
