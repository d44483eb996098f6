package supervise

import (
	"github.com/tandem-go/tandem/internal/socket"
)

// forgetStored takes a unix socket on which new connections are refused out of
// the service manager's store: that cannot be undone, so a next start must make
// its own. A TCP socket stays there. If this is a restart the next start takes
// it and admits connections again, and clients, which have heard nothing, get in
// at their next attempt; if it is a stop the service manager closes it.
func (s *Supervisor) forgetStored(l *socket.Listener) {
	name := l.StoreName()
	if s.opt.Notify == "" || name == "" || l.Addr().Network != "unix" {
		return
	}
	select {
	case s.news <- "FDSTOREREMOVE=1\nFDNAME=" + name + "\n":
	default: // a next start finds that its file is gone
	}
}
