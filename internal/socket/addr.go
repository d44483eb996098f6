package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxPath is the longest path of a unix socket: sun_path holds 108 bytes, the
// last of them NUL. An abstract name counts its '@' and may fill all 108.
const maxPath = 107

// Addr is where to listen. It is comparable; two equal Addrs are one place.
type Addr struct {
	// Network is "tcp", "unix" or "fd".
	Network string
	// Address is host:port for tcp (an empty host: every address of the
	// machine, IPv6 and IPv4), and for unix an absolute path, or "@name" in
	// the abstract namespace.
	Address string
	// FD is the descriptor's number for fd, else 0.
	FD int
}

// String gives the canonical form: "tcp://127.0.0.1:8000", "unix:///run/app.sock",
// "unix://@name", "fd://3". Parse understands it.
func (a Addr) String() string {
	if a.Network == "fd" {
		return "fd://" + strconv.Itoa(a.FD)
	}
	return a.Network + "://" + a.Address
}

// Parse reads an address as people write it: host:port, :port, [v6]:port,
// unix:/path, unix:@name, fd:N, or the canonical form that [Addr.String] gives.
// The port is a number; 0 asks the system for a free one. A host name is
// resolved by [Bind], not here.
func Parse(s string) (Addr, error) {
	a, err := parse(s)
	if err != nil {
		return Addr{}, fmt.Errorf("invalid address %q: %w; give host:port, :port, [v6]:port, unix:/path or fd:N", s, err)
	}
	return a, nil
}

func parse(s string) (Addr, error) {
	switch {
	case s == "":
		return Addr{}, errors.New("it is empty")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Addr{}, errors.New("it contains a control character")
	}
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(strings.TrimPrefix(rest, "//"))
	}
	if rest, ok := strings.CutPrefix(s, "fd:"); ok {
		return parseFD(strings.TrimPrefix(rest, "//"))
	}
	return parseTCP(strings.TrimPrefix(s, "tcp://"))
}

func parseUnix(path string) (Addr, error) {
	switch {
	case strings.HasPrefix(path, "@"):
		if path == "@" {
			return Addr{}, errors.New("the abstract name after @ is empty")
		}
		if len(path) > maxPath+1 {
			return Addr{}, fmt.Errorf("the abstract name has %d bytes, the system allows %d", len(path)-1, maxPath)
		}
	case !strings.HasPrefix(path, "/"):
		return Addr{}, errors.New("the path of a unix socket must be absolute")
	case strings.HasSuffix(path, "/"):
		return Addr{}, errors.New("the path of a unix socket names a directory")
	case len(path) > maxPath:
		return Addr{}, fmt.Errorf("the path of the unix socket has %d bytes, the system allows %d: use a shorter directory", len(path), maxPath)
	}
	return Addr{Network: "unix", Address: path}, nil
}

func parseFD(s string) (Addr, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return Addr{}, errors.New("a descriptor is a number from 0 up")
	}
	return Addr{Network: "fd", FD: int(n)}, nil
}

func parseTCP(s string) (Addr, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		bare := s
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			bare = s[1 : len(s)-1]
		}
		if ip, err := netip.ParseAddr(bare); err == nil {
			return Addr{}, fmt.Errorf("the port is missing (write %s)", net.JoinHostPort(ip.String(), "8000"))
		}
		if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
			return Addr{}, errors.New("too many colons (an IPv6 address needs brackets)")
		}
		var bad *net.AddrError
		if errors.As(err, &bad) {
			return Addr{}, errors.New(bad.Err)
		}
		return Addr{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Addr{}, fmt.Errorf("the port %q is not a number from 0 to 65535", port)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		host = ip.Unmap().String()
	case strings.HasPrefix(s, "["):
		return Addr{}, errors.New("what is in brackets is not an IPv6 address")
	case !hostName(host):
		return Addr{}, fmt.Errorf("%q is neither an IP address nor a host name", host)
	}
	return Addr{Network: "tcp", Address: net.JoinHostPort(host, strconv.FormatUint(n, 10))}, nil
}

// hostName reports whether s can be looked up; empty is every address. A name
// of digits and dots alone is a mistyped IP address.
func hostName(s string) bool {
	if s == "" {
		return true
	}
	letters := false
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			letters = true
		case '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return letters && len(s) <= 253
}
