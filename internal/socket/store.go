package socket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// storePrefix begins the names of our sockets in the service manager's descriptor
// store, and tells them from those of socket units.
const storePrefix = "tandem-bind-"

// QueuePrefix begins the names of what the store keeps and is no listening socket.
const QueuePrefix = "tandem-queue-"

// kept tells what an earlier start has put into the store from what a socket
// unit passes.
func kept(name string) bool {
	return strings.HasPrefix(name, storePrefix) || strings.HasPrefix(name, QueuePrefix)
}

// Kept gives the descriptor of that name, which begins with QueuePrefix, out of
// the store, -1 when it is not there. It is close-on-exec and the caller's. Of
// several that have the name it gives the last.
func Kept(environ []string, name string) int {
	names, _ := passed(environ)
	fd := -1
	for i, have := range names {
		if have == name {
			fd = firstFD + i
			unix.CloseOnExec(fd)
		}
	}
	return fd
}

// maxName is how long a name in the store may be.
const maxName = 255

// lookupWait bounds how long a host name is looked up for, to see whether a
// stored socket still listens where it leads.
const lookupWait = 5 * time.Second

// Store are the sockets that the service manager has kept for us over our
// death. It owns their descriptors until [Store.Take] or [Store.Rest].
type Store struct{ items []stored }

type stored struct {
	name string
	fd   int
}

// Stored gives what was put into the store by an earlier start of this service,
// as environ says; see [Activated], which gives the other sockets that systemd
// passes.
func Stored(environ []string) (*Store, error) {
	names, err := passed(environ)
	s := &Store{}
	for i, name := range names {
		if strings.HasPrefix(name, storePrefix) {
			unix.CloseOnExec(firstFD + i)
			s.items = append(s.items, stored{name, firstFD + i})
		}
	}
	return s, err
}

// Take gives the stored socket that was bound for a, if there is one and it is
// still what Bind would make: nil otherwise. That new connections were refused
// on it, in the stop before, is undone.
func (s *Store) Take(a Addr) *Listener {
	for i, it := range s.items {
		base, file, _ := strings.Cut(it.name, ",")
		if base != baseName(a) || listening(it.fd) != nil {
			continue
		}
		fd, err := unix.FcntlInt(uintptr(it.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			continue
		}
		l, err := newListener(fd, true)
		if err != nil {
			continue
		}
		l.bound, l.stored = a, true
		if !l.serves(a, file) {
			_ = unix.Close(fd) // not Close: the file, if there is one, is another's
			continue
		}
		unix.Close(it.fd)
		s.items = append(s.items[:i:i], s.items[i+1:]...)
		return l
	}
	return nil
}

// Rest closes what was not taken and gives its names, for the store to forget:
// what listens at an address that nobody wants any more is in the way of others.
func (s *Store) Rest() []string {
	var names []string
	for _, it := range s.items {
		unix.Close(it.fd)
		names = append(names, it.name)
	}
	s.items = nil
	return names
}

// StoreName is what the store calls the socket; "" when it is not to be put
// there, because whoever passed it has it, or will pass it again.
func (l *Listener) StoreName() string {
	if !l.made || l.bound.Network == "" {
		return ""
	}
	name := baseName(l.bound)
	if l.file.path != "" { // by which a later start knows whether the file is still this socket's
		name += fmt.Sprintf(",%d,%d", l.file.dev, l.file.ino)
	}
	return name
}

// InStore says whether the socket came out of the store, where a copy of it is.
func (l *Listener) InStore() bool { return l.stored }

// baseName tells by what was asked for, not by what came of it: two starts that
// ask for the same get the same socket, also for port 0.
func baseName(a Addr) string {
	name := url.QueryEscape(a.String())
	if len(storePrefix)+len(name)+2*21 > maxName {
		sum := sha256.Sum256([]byte(a.String()))
		name = hex.EncodeToString(sum[:])
	}
	return storePrefix + name
}

// serves says whether a socket out of the store listens at a, and makes it fit
// to be listened on.
func (l *Listener) serves(a Addr, file string) bool {
	if l.addr.Network != a.Network {
		return false
	}
	if a.Network == "tcp" {
		return sameTCP(a.Address, l.addr.Address) && admit(l.fd) == nil
	}
	if l.addr.Address != a.Address {
		return false
	}
	if strings.HasPrefix(a.Address, "@") {
		return true
	}
	var st unix.Stat_t
	if err := unix.Lstat(a.Address, &st); err != nil || file != fmt.Sprintf("%d,%d", st.Dev, st.Ino) {
		return false // removed, or another's by now: nobody could connect
	}
	l.file = inode{path: a.Address, dev: st.Dev, ino: st.Ino}
	return true
}

// sameTCP says whether a socket at got is what asking for want would give.
func sameTCP(want, got string) bool {
	wantHost, wantPort, err := net.SplitHostPort(want)
	at, err2 := netip.ParseAddrPort(got)
	if err != nil || err2 != nil || wantPort != "0" && wantPort != fmt.Sprint(at.Port()) {
		return false
	}
	if wantHost == "" {
		return at.Addr().IsUnspecified()
	}
	if ip, err := netip.ParseAddr(wantHost); err == nil {
		return ip.Unmap() == at.Addr().Unmap() && ip.Is4() == at.Addr().Is4()
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", wantHost)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if ip.Unmap() == at.Addr().Unmap() {
			return true
		}
	}
	return false
}

// admit undoes what Refuse does to a TCP socket.
func admit(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 0); err != nil {
		return err
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, 0)
	}
	return err
}
