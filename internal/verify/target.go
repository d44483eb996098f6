package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Target is where the load goes.
type Target struct {
	Name string // for people: "http://127.0.0.1:8000"
	Addr string // for strict: host:port, or unix:/path
	Host string // the header
	TLS  *tls.Config
	// Proxied: it was given as a URL, so that something may stand between.
	Proxied bool
	// Foreign: the address is neither loopback nor this machine's.
	Foreign bool
}

// FromListeners takes the first listener of a supervisor's status that can be reached from here.
// An address that stands for all is loopback.
func FromListeners(listeners []string) (Target, error) {
	var unix string
	for _, l := range listeners {
		if path, ok := strings.CutPrefix(l, "unix://"); ok && unix == "" {
			unix = path
		}
		text, ok := strings.CutPrefix(l, "tcp://")
		if !ok {
			continue
		}
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			continue
		}
		switch ip := addr.Addr(); {
		case ip == netip.IPv4Unspecified():
			addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
		case ip.IsUnspecified():
			addr = netip.AddrPortFrom(netip.IPv6Loopback(), addr.Port())
		}
		return Target{Name: "http://" + addr.String(), Addr: addr.String(), Host: addr.String()}, nil
	}
	if unix != "" {
		return Target{Name: "unix:" + unix, Addr: "unix:" + unix, Host: "localhost"}, nil
	}
	return Target{}, unjudged("the supervisor names no listener that can be reached from here (%s): give a --url", strings.Join(listeners, " "))
}

// FromURL reads a URL of scheme http or https without a path. The name is resolved once, so
// that the load goes to one place. What is wrong with the text itself is a [*TargetError].
func FromURL(ctx context.Context, text string, insecure bool) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Target{}, &TargetError{fmt.Sprintf("%q is not a URL: give http://HOST[:PORT] or https://HOST[:PORT]", text)}
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case port == "" || u.Hostname() == "":
		return Target{}, &TargetError{fmt.Sprintf("%q is not what can be asked: give http://HOST[:PORT] or https://HOST[:PORT]", text)}
	case u.User != nil:
		return Target{}, &TargetError{"a user or password in the URL is not sent: name a --path that needs none"}
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Target{}, &TargetError{fmt.Sprintf("%q has a path: give that with --path", text)}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return Target{}, unjudged("find the address of %s: %w", u.Hostname(), err)
	}
	ip := ips[0].Unmap()
	own, err := ownAddress(ip)
	if err != nil {
		return Target{}, err
	}
	t := Target{
		Name: u.Scheme + "://" + u.Host, Addr: net.JoinHostPort(ip.String(), port), Host: u.Host,
		Proxied: true, Foreign: !own,
	}
	if u.Scheme == "https" {
		t.TLS = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}, InsecureSkipVerify: insecure} //nolint:gosec // asked for by --insecure
	}
	return t, nil
}

// among says whether the target is one of a supervisor's listeners, so that nothing stands
// between.
func (t Target) among(listeners []string) bool {
	is, err := netip.ParseAddrPort(t.Addr)
	if err != nil {
		return false
	}
	for _, l := range listeners {
		addr, err := netip.ParseAddrPort(strings.TrimPrefix(l, "tcp://"))
		if err != nil || addr.Port() != is.Port() {
			continue
		}
		if addr.Addr().Unmap() == is.Addr().Unmap() || addr.Addr().IsUnspecified() && !t.Foreign {
			return true
		}
	}
	return false
}

// TargetError is a mistake in what the user gave.
type TargetError struct{ text string }

func (e *TargetError) Error() string { return e.text }

// ownAddress says whether ip is loopback or belongs to an interface of this machine.
func ownAddress(ip netip.Addr) (bool, error) {
	if ip.IsLoopback() {
		return true, nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == ip {
			return true, nil
		}
	}
	return false, nil
}

// CheckPath refuses what is not the path of a GET.
func CheckPath(text string) error {
	method, _, several := strings.Cut(text, " ")
	switch {
	case several && method == strings.ToUpper(method) && !strings.HasPrefix(method, "/"):
		return fmt.Errorf("%q: only GET is sent, because others change something; give the path alone", text)
	case !strings.HasPrefix(text, "/"):
		return fmt.Errorf("%q is not a path: it begins with /", text)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return fmt.Errorf("%q has characters that a request line cannot have: write them as %%XX", text)
	case strings.Contains(text, "#"):
		return errors.New("a path has no #: that part stays in the browser")
	}
	return nil
}
