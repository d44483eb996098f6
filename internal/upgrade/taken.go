package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Taken is a state as the program sees it that takes over, or that checks
// whether it could. A nil Taken is an ordinary start: Get finds nothing.
//
// It belongs to one goroutine.
type Taken struct {
	// Failure says why the program that was to take over gave the state back to
	// the one that had written it; empty: nobody did.
	Failure string
	// Signals came in while it did so.
	Signals []os.Signal

	state *state
	fd    int   // the memfd
	old   int   // the program that wrote it; its Failure's
	fds   []int // to be passed on when the state cannot be read
}

// open reads the state in descriptor fd and checks every descriptor in it.
func open(fd int) (*Taken, error) {
	s, err := read(fd)
	if err != nil {
		return nil, err
	}
	for _, o := range s.FDs {
		is, err := identify(o.FD)
		if err == nil && is != o {
			err = fmt.Errorf("descriptor %d is another object than the one in the state", o.FD)
		}
		if err != nil {
			return nil, fmt.Errorf("open the descriptors of the state: %w", err)
		}
	}
	return &Taken{state: s, fd: fd}, nil
}

// Get decodes the part called name into v and says whether there was one.
func (t *Taken) Get(name string, v any) (bool, error) {
	if t == nil {
		return false, nil
	}
	text, ok := t.state.Parts[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return true, fmt.Errorf("decode %s of the state: %w", name, err)
	}
	return true, nil
}

// FD gives a duplicate of a descriptor of the state, close on exec and the
// caller's. The number must be one that was kept. Below 0 it is none, and is
// returned as it is.
func (t *Taken) FD(n int) (int, error) {
	if n < 0 {
		return n, nil
	}
	if !slices.ContainsFunc(t.state.FDs, func(o object) bool { return o.FD == n }) {
		return -1, fmt.Errorf("descriptor %d is not in the state", n)
	}
	fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d of the state: %w", n, err)
	}
	return fd, nil
}

// From is the version of the program that wrote the state.
func (t *Taken) From() string { return t.state.Version }

// Elapsed is how long ago the state was written.
func (t *Taken) Elapsed() time.Duration { return time.Duration(max(0, now()-t.state.At)) }

// Args is the command line that the program was started with, its name included.
func (t *Taken) Args() []string {
	args := make([]string, len(t.state.Args))
	for i, a := range t.state.Args {
		args[i] = string(a)
	}
	return args
}

// Commit ends the take-over: the descriptors of the state are closed, for whoever
// needs one has a duplicate, its parts are wiped, for there are secrets in them, and
// the program that had written it cannot go on any more. On a nil Taken it does
// nothing.
func (t *Taken) Commit() {
	if t == nil {
		return
	}
	for _, o := range t.state.FDs {
		_ = unix.Close(o.FD)
	}
	_ = unix.Close(t.fd)
	_ = unix.Close(t.old)
	for _, part := range t.state.Parts {
		clear(part)
	}
	t.state.FDs, t.state.Parts = nil, nil
}

// Program is that of this process, with the path that the state says: a program
// that was executed by descriptor does not know its own.
func (t *Taken) Program() (*Program, error) {
	p, err := Self()
	if err == nil {
		p.path = t.state.Path
	}
	return p, err
}

// Check proves that a part of a state can be used by this program. It must leave
// everything as it is: no descriptor is read, written or accepted on. It runs in
// a process of its own, and may leave open what it made.
type Check func(t *Taken, name string) error

// Decodes is the Check of a part that is a T and has no descriptors.
func Decodes[T any](t *Taken, name string) error {
	var v T
	_, err := t.Get(name, &v)
	return err
}

// known says which parts of the state this program does not know. Whoever takes
// over asks no more than that: what it makes of the parts is the check. To make
// everything twice would leave a second descriptor of each, and a socket, a log
// file or an executable of which there is one more is never given up.
func (t *Taken) known(parts map[string]Check) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.state.Parts)) {
		if parts[name] == nil {
			errs = append(errs, fmt.Errorf("the state has a part %q that this program does not know: it is older than the running one (%s)", name, t.state.Version))
		}
	}
	return errors.Join(errs...)
}

// check proves that each part of the state can be used. For the child that ends
// after it: descriptors are left open.
func (t *Taken) check(parts map[string]Check) error {
	if err := t.known(parts); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.state.Parts)) {
		errs = append(errs, parts[name](t, name))
	}
	return errors.Join(errs...)
}
