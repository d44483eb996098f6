package logpipe

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pause makes the readers stop between two reads and then the writer, when it
// has written all that was read or flush has passed; what is not written waits
// in the queue. Records of the program itself are still taken. An error says
// that a sink did not come back from a write within ctx, or a reader from what
// it does: then nothing has changed. Resume ends the pause.
func (f *Fanin) Pause(ctx context.Context, flush time.Duration) error {
	f.mu.Lock()
	if f.closing || f.paused {
		f.mu.Unlock()
		return errors.New("pause the log: it is closed, or paused already")
	}
	f.paused = true
	for _, l := range f.lanes {
		l.room.Broadcast()
	}
	pipes := make([]*Pipe, 0, len(f.pipes))
	for p := range f.pipes {
		p.pause()
		pipes = append(pipes, p)
	}
	f.mu.Unlock()
	for _, p := range pipes {
		select {
		case <-p.parked:
		case <-p.done:
		case <-ctx.Done():
			f.Resume()
			return fmt.Errorf("pause the log: the %s of worker %d is still being read: %w", p.stream, p.w.src.Worker, context.Cause(ctx))
		}
	}
	limit := time.NewTimer(flush)
	defer limit.Stop()
	if !f.await(ctx, limit.C, f.written) {
		f.hold()
	}
	f.mu.Lock()
	f.held = true
	for _, l := range f.lanes {
		l.work.Signal()
	}
	f.mu.Unlock()
	if !f.await(ctx, nil, f.rests) {
		f.Resume()
		return fmt.Errorf("pause the log: its reader takes nothing, and a write that waits for it cannot be called off: %w", context.Cause(ctx))
	}
	return nil
}

// written: nothing waits to be. With mu held, as in rests.
func (f *Fanin) written() bool { return f.out.pending+f.err.pending == 0 }

// rests: the writers stand still.
func (f *Fanin) rests() bool { return f.out.resting && f.err.resting }

// hold ends a write that waits for the reader of a sink, where that is possible.
func (f *Fanin) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = true
	for _, l := range f.lanes {
		l.sink.held.Store(true)
		l.sink.deadline(time.Unix(1, 0))
	}
}

// await waits until cond holds, with mu held for it, or one of the others ends.
func (f *Fanin) await(ctx context.Context, limit <-chan time.Time, cond func() bool) bool {
	met := make(chan struct{})
	over := false
	go func() {
		defer close(met)
		f.mu.Lock()
		defer f.mu.Unlock()
		for !cond() && !over {
			f.calm.Wait()
		}
	}()
	select {
	case <-met:
	case <-limit:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	over = true
	f.calm.Broadcast()
	return cond()
}

// rest tells who waits for it that a lane's writer rests. With mu held.
func (f *Fanin) rest(l *lane) {
	if f.held && !l.resting {
		f.swap(l) // what was to be opened anew is open
		l.resting = true
		f.calm.Broadcast()
	}
}

// putBack returns what is not written of a batch to the head of the queue. With
// mu held.
func (l *lane) putBack() {
	var q batch
	for _, b := range []batch{l.inFlight, l.queue} {
		start := 0
		for _, seg := range b.segs {
			q.add(seg.worker, b.buf[start:start+seg.size])
			start += seg.size
		}
	}
	l.inFlight, l.queue = batch{}, q
}

// Resume ends a pause: everything goes on where it stopped.
func (f *Fanin) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resume()
}

// resume is Resume with mu held.
func (f *Fanin) resume() {
	if !f.paused {
		return
	}
	f.paused, f.held = false, false
	for _, l := range f.lanes {
		l.sink.held.Store(false)
		l.sink.deadline(time.Time{})
		l.work.Signal()
	}
	for p := range f.pipes {
		p.resume()
	}
}

func (p *Pipe) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked, p.wake = make(chan struct{}), make(chan struct{})
	_ = p.fd.SetReadDeadline(time.Unix(1, 0)) // fails when it has ended already
}

func (p *Pipe) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wake == nil {
		return
	}
	if !p.finishing {
		_ = p.fd.SetReadDeadline(time.Time{})
	}
	close(p.wake)
	p.wake = nil
}

// park holds the reader during a pause; it says whether there was one.
func (p *Pipe) park() bool {
	p.mu.Lock()
	wake, parked := p.wake, p.parked
	p.mu.Unlock()
	if wake == nil {
		return false
	}
	close(parked)
	<-wake
	return true
}
