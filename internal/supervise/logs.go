package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
)

// logChunk is about how much of the log is written at once to who asked.
const logChunk = 64 << 10

// Logs writes the last lines of the workers to w, and with Follow what comes,
// until the supervisor has stopped. It does not go through the loop: a reader of
// the log must not be able to hold that up, nor a busy loop the reader. w is
// written to, with nothing, even when there are no lines.
func (s *Supervisor) Logs(ctx context.Context, q control.LogQuery, w io.Writer) error {
	sub, ok := s.opt.Logs.Subscribe(logpipe.Filter{Worker: q.Worker})
	if !ok {
		return control.ErrNoWorker
	}
	defer sub.Close()
	out := logWriter{w: w, format: logpipe.Text}
	if q.JSON {
		out.format = logpipe.JSON
	}
	if err := out.lines(sub.History()); err != nil {
		return err
	}
	if err := out.flush(); err != nil || !q.Follow {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-s.done:
			cancel(errStopped)
		case <-over:
		}
	}()
	for {
		// What waits is given out even when ctx has ended: the last lines come.
		ls, dropped, err := sub.Next(ctx)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errStopped):
			return nil
		case err != nil:
			return err
		}
		if dropped > 0 {
			ls = append(ls, logpipe.Line{
				Time: time.Now(), Level: slog.LevelWarn,
				Text: fmt.Appendf(nil, "%d lines are missing here: they were read slower than they came", dropped),
			})
		}
		if err := errors.Join(out.lines(ls), out.flush()); err != nil {
			return err
		}
	}
}

// logWriter formats lines and writes them some at a time.
type logWriter struct {
	w      io.Writer
	format logpipe.Format
	buf    []byte
}

func (o *logWriter) lines(ls []logpipe.Line) error {
	for i := range ls {
		o.buf = ls[i].Append(o.buf, o.format)
		if len(o.buf) >= logChunk {
			if err := o.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *logWriter) flush() error {
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}
