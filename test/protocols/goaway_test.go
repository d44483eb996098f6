package protocols

import (
	"fmt"
	"sync/atomic"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/served"
)

// pipeline keeps some requests open on one connection after the other, until it is
// stopped. A connection on which GOAWAY has come is left when all that it admits is answered.
func pipeline(s *served.Server, client int, stop <-chan struct{}) error {
	for {
		c, err := begin(s)
		if err != nil {
			return fmt.Errorf("client %d: %w", client, err)
		}
		err = onOne(c, client, stop)
		_ = c.Close()
		if err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func lost(client int, stream uint32, err error) error {
	return fmt.Errorf("client %d lost stream %d: %w", client, stream, err)
}

// inFlight is how many requests a client has open at once.
const inFlight = 8

func onOne(c *h2raw.Conn, client int, stop <-chan struct{}) error {
	open := map[uint32]bool{}
	next, leaving := uint32(1), false
	ask := func() error {
		select {
		case <-stop:
			leaving = true
		default:
		}
		for len(open) < inFlight && !leaving {
			if err := c.Send(h2raw.Request(next, "GET", "/bytes/10", h2raw.EndStream)); err != nil {
				return lost(client, next, err)
			}
			open[next] = true
			next += 2
		}
		return nil
	}
	if err := ask(); err != nil {
		return err
	}
	for len(open) > 0 {
		f, err := c.Next()
		if err != nil {
			return lost(client, next, fmt.Errorf("%d open: %w", len(open), err))
		}
		switch {
		case f.Type == h2raw.GoAway:
			if f.Code() != h2raw.NoError {
				return lost(client, next, fmt.Errorf("GOAWAY with code %d", f.Code()))
			}
			leaving = true
			for stream := range open {
				if stream > f.Last() {
					delete(open, stream) // declared unprocessed: it was told
				}
			}
		case f.Type == h2raw.RSTStream && open[f.Stream]:
			return lost(client, f.Stream, fmt.Errorf("reset with code %d", f.Code()))
		case f.Type == h2raw.Headers && !f.OK():
			return lost(client, f.Stream, fmt.Errorf("answered %q", f.Payload))
		case f.Type == h2raw.Data && f.Flags&h2raw.EndStream != 0:
			if string(f.Payload) != "0123456789" {
				return lost(client, f.Stream, fmt.Errorf("answered %q", f.Payload))
			}
			delete(open, f.Stream)
			answers.Add(1)
			if err := ask(); err != nil {
				return err
			}
		}
	}
	return nil
}

// answers counts those of all clients.
var answers atomic.Int64
