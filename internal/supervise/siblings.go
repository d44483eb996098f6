package supervise

import (
	"errors"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/fleet"
	"github.com/tandem-go/tandem/internal/handover"
)

// Siblings is what all workers share besides the sockets: what they know of each
// other, and the queue through which they give each other connections. The
// supervisor keeps both ends of the queue for its whole life, so that a
// connection in it outlives every worker. It is made once, before Run, and
// belongs to the loop then.
type Siblings struct {
	fleet   *fleet.Fleet
	in, out int
}

// SiblingsState is what goes over in an upgrade: numbers of descriptors. Who has
// which slot is written in the fleet itself.
type SiblingsState struct {
	Fleet int `json:"fleet"`
	In    int `json:"in"`
	Out   int `json:"out"`
}

// NewSiblings makes an empty fleet and an empty queue.
func NewSiblings() (*Siblings, error) {
	in, out, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	f, err := fleet.Create()
	if err != nil {
		return nil, errors.Join(err, unix.Close(in), unix.Close(out))
	}
	return &Siblings{fleet: f, in: in, out: out}, nil
}

// KeptSiblings makes an empty fleet around a queue of which somebody else has a
// copy, too: it outlives this process, with what is in it. It owns the
// descriptors when it succeeds.
func KeptSiblings(in, out int) (*Siblings, error) {
	if err := handover.Check(in, out); err != nil {
		return nil, err
	}
	f, err := fleet.Create()
	if err != nil {
		return nil, err
	}
	f.Keep()
	return &Siblings{fleet: f, in: in, out: out}, nil
}

// Keep says that somebody has a copy of the queue; see KeptSiblings. It is called
// before Run only.
func (b *Siblings) Keep() { b.fleet.Keep() }

// AdoptSiblings takes over those of the program before; it owns the descriptors
// when it succeeds.
func AdoptSiblings(was SiblingsState) (*Siblings, error) {
	if err := handover.Check(was.In, was.Out); err != nil {
		return nil, err
	}
	f, err := fleet.Open(was.Fleet)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(was.In)
	unix.CloseOnExec(was.Out)
	return &Siblings{fleet: f, in: was.In, out: was.Out}, nil
}

// State is what AdoptSiblings takes. The descriptors stay the Siblings'.
func (b *Siblings) State() SiblingsState {
	return SiblingsState{Fleet: b.fleet.FD(), In: b.in, Out: b.out}
}

// Workers is what the workers say of themselves. It may be called from any
// goroutine.
func (b *Siblings) Workers() []fleet.Worker { return b.fleet.Workers() }

func (b *Siblings) close() error {
	return errors.Join(b.fleet.Close(), unix.Close(b.in), unix.Close(b.out))
}

// mustSiblings makes those that Options do not bring. Without them workers
// stand alone: a reload closes idle connections, as it does for foreign ones.
func mustSiblings(log *slog.Logger) *Siblings {
	b, err := NewSiblings()
	if err != nil {
		log.Warn("workers cannot hand each other connections; those that are idle at a reload will be closed", "error", err)
	}
	return b
}

// join gives a worker its place among the others, before it starts.
// alive says which workers there are.
func (b *Siblings) join(id arbiter.WorkerID, alive func(uint64) bool, log *slog.Logger) {
	if b != nil && !b.fleet.Claim(uint64(id), alive) {
		log.Warn("worker stands alone: there is no slot left for it", "worker", id, "slots", fleet.Slots)
	}
}

// quit takes the place of one that is gone.
func (b *Siblings) quit(id arbiter.WorkerID) {
	if b != nil {
		b.fleet.Release(uint64(id))
	}
}

// stop tells all that nobody will be left to take a connection.
func (b *Siblings) stop() {
	if b != nil {
		b.fleet.Stop()
	}
}

// greet sends a worker the hello with all that is for it, and the keys of session
// tickets: it has them before it serves.
func (b *Siblings) greet(w *worker, keys channel.TicketKeys) error {
	names, fds := []string{channel.Scoreboard}, []int{w.board.FD()}
	if b != nil {
		names = append(names, channel.Fleet, channel.HandoverIn, channel.HandoverOut)
		fds = append(fds, b.fleet.FD(), b.in, b.out)
	}
	hello := channel.Greeting(names...)
	hello.TicketKeys = keys
	return w.channel.Send(hello, fds...)
}
