package admin

import (
	"fmt"

	"github.com/tandem-go/tandem/internal/socket"
)

// Save gives the socket's state, for another program that goes on with it after
// an exec; keep is called for the descriptor. Answers on their way are cut off
// by that.
func (s *Server) Save(keep func(int) int) socket.State { return s.socket.Save(keep) }

// Adopt goes on with a Server. take gives a duplicate of the descriptor.
func Adopt(st socket.State, take func(int) (int, error)) (*Server, error) {
	l, err := socket.Adopt(st, take)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	return &Server{socket: l, probe: probeTimeout, ask: askTimeout}, nil
}
