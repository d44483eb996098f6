package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
)

// place is where a supervisor is found: at its control socket, or by what it has
// left on disk.
type place struct {
	client *control.Client // nil: it has none
	socket string
	state  string // its state directory
}

// errNoSocket is why a supervisor is not asked.
var errNoSocket = errors.New("a supervisor without a control socket cannot be asked")

// place finds a supervisor by the flags --control and --state-dir, else as the
// environment says.
func (p *program) place(socket, state string) (found place, err error) {
	if found.socket, err = config.ControlSocket(socket, p.environ); err != nil {
		return found, err
	}
	if found.state, err = config.StatePath(state, p.environ); err != nil {
		return found, err
	}
	if found.socket != config.Off {
		found.client = control.NewClient(found.socket)
	}
	return found, nil
}

// directory gives the directory of one kind of things that the supervisor has
// left; gone is why it cannot be asked.
func (f place) directory(kind func(state, control string) string, gone error) (string, error) {
	socket := f.socket
	if socket != config.Off && !filepath.IsAbs(socket) {
		var err error
		if socket, err = filepath.Abs(socket); err != nil {
			return "", fmt.Errorf("find the working directory, from which %s begins: %w", f.socket, err)
		}
	}
	dir := kind(f.state, socket)
	if dir == "" {
		return "", fmt.Errorf("%w, and with --state-dir off nothing is kept on disk", gone)
	}
	return dir, nil
}
