package main

import (
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/socket"
)

// forgetWait bounds how long the service manager may take to close a stored
// socket, which may be in the way of one that is to be bound.
const forgetWait = 5 * time.Second

// listen gives the sockets: those that systemd passed, else those of the
// settings. A socket that we make is put into the service manager's store (up is
// its notify socket), and is taken from there after our death: until then
// connections wait in it, instead of being refused.
func listen(loaded *config.Loaded, environ []string, up string, log *slog.Logger) ([]*socket.Listener, error) {
	activated, err := socket.Activated(environ)
	if err != nil {
		return nil, err
	}
	store, err := socket.Stored(environ)
	if err != nil {
		return nil, err
	}
	var addrs []socket.Addr
	if len(activated) == 0 {
		addrs = loaded.Bind
	}
	// All that is kept first, then the rest is let go, and only then is bound:
	// what nobody wants any more may listen where another is wanted.
	made := make([]*socket.Listener, len(addrs))
	for i, addr := range addrs {
		made[i] = store.Take(addr)
	}
	gone := forget(store, up, log)
	for i, addr := range addrs {
		if made[i] != nil {
			log.Info("a socket was kept by the service manager", "listener", made[i].Addr().String())
		} else if made[i], err = bind(addr, loaded.RunAs); err != nil {
			closeAll(made)
			return nil, err
		}
		keep(made[i], up, gone, log)
	}
	return append(activated, made...), nil
}

// forget gives up what is in the store and not wanted, and says which names are
// not in it any more.
func forget(store *socket.Store, up string, log *slog.Logger) map[string]bool {
	gone := map[string]bool{}
	for _, name := range store.Rest() {
		if gone[name] {
			continue
		}
		gone[name] = true
		log.Info("a socket that the service manager kept is not wanted any more", "name", name)
		if err := notify.Send(up, "FDSTOREREMOVE=1\nFDNAME="+name); err != nil {
			log.Warn("tell the service manager to forget a socket", "error", err)
		}
	}
	if len(gone) > 0 {
		if err := notify.Barrier(up, forgetWait); err != nil {
			log.Warn("wait until the service manager has closed the sockets that are not wanted any more", "error", err)
		}
	}
	return gone
}

func bind(addr socket.Addr, as *config.RunAs) (*socket.Listener, error) {
	l, err := socket.Bind(addr)
	if err != nil {
		return nil, err
	}
	if as != nil {
		if err := l.Chown(as.UID, as.GID); err != nil {
			_ = l.Close()
			return nil, err
		}
	}
	return l, nil
}

// keep puts a socket into the store, unless it is there. It need not be watched
// for errors there, as other descriptors are: it has none.
func keep(l *socket.Listener, up string, gone map[string]bool, log *slog.Logger) {
	name := l.StoreName()
	if up == "" || name == "" || l.InStore() && !gone[name] {
		return
	}
	if err := notify.SendFDs(up, "FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", l.FD()); err != nil {
		log.Warn("give a socket to the service manager to keep; after a crash connections are refused until the next start",
			"listener", l.Addr().String(), "error", err)
	}
}

func closeAll(listeners []*socket.Listener) {
	for _, l := range listeners {
		if l != nil {
			_ = l.Close()
		}
	}
}
