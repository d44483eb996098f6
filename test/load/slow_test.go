//go:build load

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Of the slow ones: what is below is cut, what is above is not.
const (
	rateAbove, rateBelow = 120, 20 // bytes of a body a second; the defaults ask for 100
	slowUpload           = 64 << 10
	// A reader asks for more, at once, than all buffers between take, and it takes so much a second.
	askedAtOnce, tastes = 500, 32 << 10
	mostOfHeader        = 10 * time.Second // the default
	slack               = 10 * time.Second // of a machine that does something else
	// From then on it is seen that who is below the bounds is cut.
	outwaited = 80 * time.Second
)

// slowly is a fifth of each: headers that dribble, bodies that come too slowly and such that
// come slowly, readers that take nothing and such that take little.
func slowly(ctx context.Context, c *crowd, i int) (member, error) {
	a, err := c.asker(ctx, i)
	if err != nil {
		return nil, err
	}
	s := &dawdler{asker: a, begun: time.Now(), done: make(chan struct{}), ended: make(chan error, 1)}
	switch i % 5 {
	case 0:
		s.judge = s.headerWasCut
		return s, s.drip("GET /modern/ HTTP/1.1\r\nHost: crowd.test\r\nX-Slow: ", "x")
	case 1:
		s.judge = s.bodyWasCut
		return s, s.drip(upload, strings.Repeat("x", rateBelow))
	case 2:
		s.judge = s.bodyIsAnswered
		return s, s.drip(upload, strings.Repeat("x", rateAbove))
	case 3:
		s.judge = s.readerWasCut
	default:
		s.judge = s.allIsRead
		go s.taste()
	}
	return s, s.flood()
}

var upload = fmt.Sprintf("POST /echo/ HTTP/1.1\r\nHost: crowd.test\r\nContent-Length: %d\r\n\r\n", slowUpload)

// dawdler is a member that sends or reads by and by.
type dawdler struct {
	*asker
	begun time.Time
	judge func(held time.Duration) error
	done  chan struct{} // closed when it leaves
	ended chan error    // what has ended the dripping or tasting; nil: it was left
	sent  int           // pieces; read after ended
	read  answers       // by who asks for much
}

// answers counts those with status 200 in what is written to it.
type answers struct {
	n    int
	tail []byte // of what came before
}

func (a *answers) Write(b []byte) (int, error) {
	const begin = "HTTP/1.1 200 OK\r\n"
	all := append(a.tail, b...)
	a.n += bytes.Count(all, []byte(begin))
	a.tail = bytes.Clone(all[max(0, len(all)-len(begin)+1):])
	return len(b), nil
}

func (s *dawdler) leave(context.Context) error {
	_ = s.SetDeadline(time.Now().Add(time.Minute))
	return errors.Join(s.judge(time.Since(s.begun)), s.Close())
}

// drip sends a piece a second until it cannot, or is to leave.
func (s *dawdler) drip(first, piece string) error {
	if _, err := io.WriteString(s, first); err != nil {
		return err
	}
	go s.every(func() error {
		s.sent++
		_, err := io.WriteString(s, piece)
		return err
	})
	return nil
}

// taste reads a piece a second.
func (s *dawdler) taste() {
	s.every(func() error {
		_, err := io.CopyN(&s.read, s.r, tastes)
		return err
	})
}

func (s *dawdler) every(do func() error) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if err := do(); err != nil {
				s.ended <- err
				return
			}
		case <-s.done:
			s.ended <- nil
			return
		}
	}
}

// flood asks many times without reading an answer.
func (s *dawdler) flood() error {
	_ = s.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	const get = "GET /openapi.json HTTP/1.1\r\nHost: crowd.test\r\n"
	_, err := io.WriteString(s, strings.Repeat(get+"\r\n", askedAtOnce-1)+get+"Connection: close\r\n\r\n")
	return err
}

// stop ends the dripping or tasting, and says what had ended it before.
func (s *dawdler) stop() error {
	close(s.done)
	return <-s.ended
}

func (s *dawdler) headerWasCut(held time.Duration) error {
	patience := time.NewTimer(mostOfHeader + slack - held)
	defer patience.Stop()
	select {
	case err := <-s.ended:
		if after := time.Since(s.begun); !goneBy(err) || after < mostOfHeader/2 {
			return fmt.Errorf("a header that dribbles ended after %v: %w", after, err)
		}
		return nil
	case <-patience.C:
		return fmt.Errorf("a header has dribbled for %v", time.Since(s.begun))
	}
}

func (s *dawdler) bodyWasCut(held time.Duration) error {
	dripping := s.stop()
	if dripping == nil && held < outwaited {
		return nil
	}
	if _, err := s.answer(); err == nil || !strings.Contains(err.Error(), "408") && !goneBy(err) {
		return fmt.Errorf("after %v at %d bytes a second: %v, %w", held, rateBelow, dripping, err)
	}
	return nil
}

func (s *dawdler) bodyIsAnswered(time.Duration) error {
	if err := s.stop(); err != nil {
		return err
	}
	answer, err := s.ask(strings.Repeat("x", slowUpload-s.sent*rateAbove))
	if err == nil && !strings.Contains(answer, fmt.Sprintf(`"body_len":%d`, slowUpload)) {
		err = fmt.Errorf("answered %.200q", answer)
	}
	return err
}

func (s *dawdler) readerWasCut(held time.Duration) error {
	if held < outwaited {
		return nil
	}
	if _, err := io.Copy(&s.read, s.r); !goneBy(err) {
		return fmt.Errorf("after %v without a read there were %d answers, %w", held, s.read.n, err)
	}
	return nil
}

func (s *dawdler) allIsRead(held time.Duration) error {
	err := s.stop()
	if err == nil {
		_, err = io.Copy(&s.read, s.r)
	}
	if err != nil || s.read.n != askedAtOnce {
		return fmt.Errorf("after %v there were %d answers of %d, %w", held, s.read.n, askedAtOnce, err)
	}
	return nil
}
