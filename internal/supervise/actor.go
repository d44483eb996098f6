package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/control"
)

// The actors of the timeline that are no signal and no process.
const (
	byUs      = "supervisor"
	byManager = "the service manager"
	byWatch   = "--watch"
	byNobody  = "unknown"
)

// bySignal is who sent a signal: Go does not tell which process it was.
func bySignal(sig os.Signal) string {
	if n, ok := sig.(unix.Signal); ok {
		if name := unix.SignalName(n); len(name) > len("SIG") {
			return "signal " + name[len("SIG"):]
		}
	}
	return "signal " + sig.String()
}

// byPeer is who asks over the control socket. It is called on the goroutine of the
// request: the name of a user may have to be asked for.
func byPeer(ctx context.Context) string {
	p, ok := control.PeerOf(ctx)
	if !ok {
		return "the control socket"
	}
	return peerText(p, names.of(p.UID))
}

func peerText(p control.Peer, name string) string {
	text := fmt.Sprintf("uid %d", p.UID)
	if name != "" {
		text += " (" + name + ")"
	}
	if p.PID > 0 {
		text += fmt.Sprintf(", pid %d", p.PID)
	}
	return text + " over the control socket"
}

// byStart is who started us, as far as can be told.
func (s *Supervisor) byStart() string {
	if s.opt.Notify != "" {
		return byManager
	}
	return fmt.Sprintf("pid %d, its parent", os.Getppid())
}

func byWorker(w *worker) string { return fmt.Sprintf("worker %d", w.id) }

var names = userNames{look: func(uid int) (string, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}}

// userNames are the names of users, once they are known, "" for one that is known to have
// none. A look-up that failed is done again: the directory of users may have been away.
type userNames struct {
	look  func(uid int) (string, error)
	known sync.Map
}

// nameWait bounds how long a request waits for the name of who makes it: where
// users are in a directory that is away, a stop must not wait for that.
const nameWait = 100 * time.Millisecond

// of gives the name of a user, "" if it is not known, or not yet.
func (n *userNames) of(uid int) string {
	if name, ok := n.known.Load(uid); ok {
		return name.(string)
	}
	found := make(chan string, 1)
	go func() {
		name, err := n.look(uid)
		var none user.UnknownUserIdError
		if err == nil || errors.As(err, &none) {
			n.known.Store(uid, name)
		}
		found <- name
	}()
	limit := time.NewTimer(nameWait)
	defer limit.Stop()
	select {
	case name := <-found:
		return name
	case <-limit.C:
		return ""
	}
}
