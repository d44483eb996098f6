package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/tandem-go/tandem/internal/control"
)

// reach compares how many requests were answered with how many the workers say that they have
// begun, so that a verdict is about this service and no other one. It counts by worker: one
// that is recycled takes nothing back.
type reach struct {
	begun    map[uint64]uint64 // by each worker that is there, as of the last look
	counted  uint64            // begun since the first look
	answered uint64            // before the last look was asked for
	// unseen is how many requests at most were begun by workers that left, after they were last
	// looked at.
	unseen  uint64
	foreign bool // a worker that serves does not count
}

// look takes a status that was asked for when so many requests had been answered. Others were
// under way, at most as many as there are clients.
func (r *reach) look(st control.Status, answered, clients uint64) {
	begun, left := map[uint64]uint64{}, false
	r.foreign = false
	for _, w := range st.Workers {
		if w.Requests == nil {
			r.foreign = r.foreign || w.State == "ready"
			continue
		}
		begun[w.ID] = *w.Requests
		if r.begun != nil {
			r.counted += *w.Requests - min(r.begun[w.ID], *w.Requests)
		}
	}
	for id := range r.begun {
		_, there := begun[id]
		left = left || !there
	}
	if left {
		r.unseen += answered - r.answered + clients
	}
	r.begun, r.answered = begun, answered
}

// check says whether what was answered was answered by the workers that were looked at: with
// a problem if it was not, with what remains open if that cannot be told for sure. At an address
// that is not the supervisor's own something may stand between, and send some elsewhere.
func (r *reach) check(target string, own bool) (open, problem string) {
	counted := fmt.Sprintf("of %d requests that %s has answered, the workers of this supervisor have begun ", r.answered, target)
	few := func(tenths uint64) bool { return 10*(r.counted+r.unseen) < tenths*r.answered }
	switch {
	case r.foreign:
		return "not all workers count requests, so that these reach them was not seen", ""
	case r.answered == 0: // which is judged by itself
	case few(1) && !own:
		return "", counted + fmt.Sprintf("%d: the --url leads to another service, or what stands before this one answers from a cache, or more than ten machines are behind it", r.counted)
	case few(9) && own:
		return "", counted + fmt.Sprintf("%d: another server answers there, so a verdict would be about that one; give the --url at which this service is reached from here, or the --control of that one", r.counted)
	case few(9):
		return counted + fmt.Sprintf("%d: the others went elsewhere, or were answered from a cache, and what is lost there is counted here", r.counted), ""
	case 10*r.counted < 9*r.answered:
		return counted + fmt.Sprintf("%d, and workers that left meanwhile an unknown number", r.counted), ""
	case 10*r.counted > 11*r.answered+100:
		return counted + fmt.Sprintf("%d: others send requests too, so that the number does not prove that these were among them", r.counted), ""
	}
	return "", ""
}

// reached holds what was answered by now against what the workers have begun.
func (r *run) reached() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	open, problem := r.reach.check(r.Target.Name, r.own)
	if problem != "" {
		return unjudged("%s", problem)
	}
	if r.seen.Unreached == "" {
		r.seen.Unreached = open
	}
	return nil
}

// soFar is how many requests have been answered.
func (r *run) soFar() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answered
}

// owned says whether the target is a listener of the supervisor. In another network namespace the
// same address is another one, so a URL is its own only where both are known to be in one.
func (r *run) owned(ctx context.Context, listeners []string) bool {
	if !r.Target.Proxied {
		return true
	}
	if !r.Target.among(listeners) {
		return false
	}
	same, err := r.sameNetwork(ctx)
	return err == nil && same
}

// place looks at where the target is, when workers do not count requests: less can be known then.
// The error says that the target cannot be this service.
func (r *run) place(ctx context.Context, st control.Status, own bool) (open string, err error) {
	const blind = "the workers do not count requests, so that these reach them was not seen; "
	addr, notTCP := netip.ParseAddrPort(r.Target.Addr)
	switch {
	case !own:
		return blind + r.Target.Name + " is not known to be a listener of this supervisor, so nothing else tells that either", nil
	case notTCP != nil:
		return blind + "it was checked that the path of the socket is a listener's, and no more", nil
	}
	same, err := r.sameNetwork(ctx)
	switch {
	case err != nil:
		return blind + "the address is a listener's; whether it is the same one here could not be checked: " + err.Error(), nil
	case same:
		return blind + "it was checked that the address is a listener's, in the network namespace of the supervisor, and no more", nil
	case addr.Addr().IsLoopback():
		return "", unjudged("the supervisor runs in another network namespace, so its %s is not the one of here: give the --url at which the service is reached from here, or run this in there", r.Target.Addr)
	}
	return blind + "the address is a listener's, and the supervisor is in another network namespace, where it may be another one", nil
}

// sameNetwork says whether the supervisor's network namespace is this process's own.
func (r *run) sameNetwork(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	pid, err := r.Supervisor.Peer(ctx)
	if err == nil && pid <= 0 {
		err = errors.New("the kernel does not say which process the supervisor is")
	}
	if err != nil {
		return false, err
	}
	its, err := r.network(strconv.Itoa(pid))
	if err != nil {
		return false, err
	}
	own, err := r.network("self")
	return own == its, err
}

// network names the network namespace of a process.
func network(pid string) (string, error) { return os.Readlink("/proc/" + pid + "/ns/net") }

// UnjudgedError says why nothing could be verified, although the supervisor was there to be asked.
type UnjudgedError struct{ cause error }

func (e *UnjudgedError) Error() string { return e.cause.Error() }

// Unwrap gives what was wrapped in it.
func (e *UnjudgedError) Unwrap() error { return e.cause }

func unjudged(format string, args ...any) error {
	return &UnjudgedError{fmt.Errorf(format, args...)}
}
