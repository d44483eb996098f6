package upgrade

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Protocol is the version of the format that this program writes and reads.
const Protocol = 1

const (
	// maxState bounds what is read of a state: tails and half lines of as many
	// workers as there may be are less.
	maxState = 1 << 30
	seals    = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
)

// Keep says that the descriptor fd goes over, and returns fd. It stays its
// owner's. A descriptor below 0 is none, and is returned as it is.
type Keep func(fd int) int

// state is what is in the memfd.
type state struct {
	Protocol int                        `json:"protocol"`
	Nonce    string                     `json:"nonce"`
	PID      int                        `json:"pid"`
	Version  string                     `json:"version"` // of the program that wrote it
	Path     string                     `json:"path"`    // where the next program is looked for
	Args     [][]byte                   `json:"args"`    // argv, bytes as the system has them
	At       int64                      `json:"at"`      // CLOCK_BOOTTIME, nanoseconds
	Parts    map[string]json.RawMessage `json:"parts"`
	FDs      []object                   `json:"fds"`
}

// object is a descriptor and what it stands for, so that the check can tell
// whether it is still that.
type object struct {
	FD   int    `json:"fd"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	Type uint32 `json:"type"` // S_IFMT of its mode
}

func identify(fd int) (object, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return object{}, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return object{FD: fd, Dev: st.Dev, Ino: st.Ino, Type: st.Mode & unix.S_IFMT}, nil
}

// Saver gathers a state. It belongs to one goroutine.
type Saver struct {
	state state
	seen  map[int]bool
	held  map[int]int // nil: not to be held
	err   error
}

// Hold is called before Put, for a check while everything goes on: what the
// descriptors stand for is kept until the Sealed is closed, though whoever has
// them closes them and others get their numbers.
func (s *Saver) Hold() { s.held = map[int]int{} }

// NewSaver begins a state of the program p, of that version.
func NewSaver(p *Program, version string) *Saver {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: the runtime ends the program instead
	s := &Saver{seen: map[int]bool{}, state: state{
		Protocol: Protocol, Nonce: hex.EncodeToString(nonce[:]), PID: os.Getpid(), Version: version,
		Path: p.path, At: now(), Parts: map[string]json.RawMessage{},
	}}
	for _, a := range os.Args {
		s.state.Args = append(s.state.Args, []byte(a))
	}
	return s
}

// Keep notes a descriptor; see [Keep]. What is wrong with it comes out of Seal.
func (s *Saver) Keep(fd int) int {
	if fd < 0 || s.seen[fd] {
		return fd
	}
	s.seen[fd] = true
	look := fd
	if s.held != nil {
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			s.err = errors.Join(s.err, fmt.Errorf("hold descriptor %d: %w", fd, err))
			return fd
		}
		s.held[fd], look = twin, twin
	}
	o, err := identify(look)
	o.FD = fd
	if err != nil {
		s.err = errors.Join(s.err, err)
	}
	s.state.FDs = append(s.state.FDs, o)
	return fd
}

// Put adds a part: what save returns, as JSON. Two of one name are a mistake.
func (s *Saver) Put(name string, save func(Keep) (any, error)) error {
	if _, twice := s.state.Parts[name]; twice {
		return fmt.Errorf("save %s: there is a part of that name already", name)
	}
	v, err := save(s.Keep)
	if err == nil {
		s.state.Parts[name], err = json.Marshal(v)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

// Drop gives up what is held, when no Sealed comes of it.
func (s *Saver) Drop() {
	for _, twin := range s.held {
		_ = unix.Close(twin)
	}
}

// Sealed is a state that nobody can change any more. Close gives its memory
// back.
type Sealed struct {
	FD    int // the memfd, close on exec
	nonce string
	fds   []int
	held  map[int]int // a duplicate of each of fds, for the check; nil: not held
}

// Seal writes the state.
func (s *Saver) Seal() (_ *Sealed, err error) {
	defer func() {
		if err != nil {
			s.Drop()
		}
	}()
	if s.err != nil {
		return nil, fmt.Errorf("save the state: %w", s.err)
	}
	text, err := json.Marshal(s.state)
	if err != nil {
		return nil, fmt.Errorf("save the state: %w", err)
	}
	defer clear(text) // there are secrets in it
	fd, err := unix.MemfdCreate("tandem-state", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("save the state: memfd_create: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for rest := text; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return nil, fmt.Errorf("save the state: write %d bytes: %w", len(rest), err)
		}
		rest = rest[n:]
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("save the state: seal it: %w", err)
	}
	sealed := &Sealed{FD: fd, nonce: s.state.Nonce, held: s.held}
	for _, o := range s.state.FDs {
		sealed.fds = append(sealed.fds, o.FD)
	}
	return sealed, nil
}

// Close gives the memory back.
func (s *Sealed) Close() error {
	for _, twin := range s.held {
		_ = unix.Close(twin)
	}
	s.held = nil
	return unix.Close(s.FD)
}

// read reads a state without moving any offset: the check shares it with us.
func read(fd int) (*state, error) {
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a state of a supervisor: %w", fd, err)
	}
	if got&seals != seals {
		return nil, fmt.Errorf("descriptor %d is not a state of a supervisor: it is not sealed", fd)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("state in descriptor %d: %w", fd, err)
	}
	if st.Size > maxState {
		return nil, fmt.Errorf("state in descriptor %d: it has %d bytes, more than a state can have", fd, st.Size)
	}
	text := make([]byte, st.Size)
	defer clear(text) // there are secrets in it, and whoever decodes it has copies
	for n := 0; n < len(text); {
		m, err := unix.Pread(fd, text[n:], int64(n))
		if err == nil && m == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("read the state in descriptor %d: %w", fd, err)
		}
		n += m
	}
	// Its version first: the rest may look different in another.
	var head struct {
		Protocol int    `json:"protocol"`
		Version  string `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("decode the state: %w", err)
	}
	if head.Protocol != Protocol {
		return nil, fmt.Errorf("the running supervisor (%s) writes version %d of the state, this program reads version %d: restart the service instead", head.Version, head.Protocol, Protocol)
	}
	s := new(state)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("decode the state: %w", err)
	}
	if s.Nonce == "" || s.PID == 0 {
		return nil, errors.New("decode the state: it has no nonce or no pid")
	}
	return s, nil
}

// now is a clock that goes on through an exec and through a sleep of the machine.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // cannot fail for this clock and an address of ours
	}
	return t.Nano()
}
