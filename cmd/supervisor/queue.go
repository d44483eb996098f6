package main

import (
	"log/slog"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/supervise"
)

// The two ends of the queue of connections, in the service manager's store.
const (
	queueIn  = socket.QueuePrefix + "in"
	queueOut = socket.QueuePrefix + "out"
)

// keptQueue gives the queue through which workers hand each other connections,
// when the service manager keeps it over our death: the one that it has kept, or a
// new one if it says that it has room. Workers that our death has orphaned leave
// their idle connections in it, for the workers of the next start. Nil where
// nobody keeps it: who left something there would lose it.
func keptQueue(environ []string, up string, log *slog.Logger) *supervise.Siblings {
	in, out := socket.Kept(environ, queueIn), socket.Kept(environ, queueOut)
	if in >= 0 && out >= 0 {
		if kept, err := supervise.KeptSiblings(in, out); err == nil {
			return kept
		} else {
			log.Warn("the queue that the service manager kept cannot be used; idle connections in it are closed", "error", err)
		}
	}
	closeBoth(in, out)
	if up == "" || room(environ) < 3 {
		return nil
	}
	made, err := supervise.NewSiblings()
	if err != nil {
		return nil // it is tried again, and said, where there must be one
	}
	mine := made.State()
	for name, fd := range map[string]int{queueIn: mine.In, queueOut: mine.Out} {
		// What has the name is of no use.
		_ = notify.Send(up, "FDSTOREREMOVE=1\nFDNAME="+name)
		if err := notify.SendFDs(up, "FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", fd); err != nil {
			log.Warn("give the queue of connections to the service manager to keep; after a crash idle connections are closed", "error", err)
			return made
		}
	}
	made.Keep()
	return made
}

// room is how many descriptors the service manager says that it keeps for us;
// systemd does since version 254.
func room(environ []string) int {
	n := 0
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, "FDSTORE="); ok {
			n, _ = strconv.Atoi(v)
		}
	}
	return n
}

func closeBoth(in, out int) {
	for _, fd := range []int{in, out} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
