package supervise

import "github.com/tandem-go/tandem/internal/upgrade"

// carried is a part of the state that others own.
type carried struct {
	name string
	save func(upgrade.Keep) (any, error)
}

// Carry adds a part to the state that goes over to the next program in an
// upgrade in place. save is called on the loop and must not block; it may be
// called several times, also for an upgrade that then does not come about. It is
// called before Run only. The three lines that a part takes are in the
// documentation of package upgrade.
func (s *Supervisor) Carry(name string, save func(upgrade.Keep) (any, error)) {
	s.carried = append(s.carried, carried{name, save})
}
