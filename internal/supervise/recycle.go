package supervise

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/timeline"
)

const (
	// recycleEvery is how often workers are held against their limits.
	recycleEvery = time.Second
	// tooLarge is how many looks in a row must find a worker above --max-memory: a
	// single request may need much for a moment.
	tooLarge = 3
	// lifetimeJitter is the share of --max-lifetime that is added at most.
	lifetimeJitter = 10 // percent
	// countsWithin is how long a ready worker may take to say that it counts.
	countsWithin = 5 * time.Second
)

// recycling is what one worker is recycled by. It is plain data, drawn once for
// each worker, so that an upgrade can carry it; the zero value is drawn when the
// worker is looked at first.
type recycling struct {
	Drawn    bool
	Requests uint64        // 0: off
	Lifetime time.Duration // 0: off
	Memory   int64         // bytes; 0: off
	Over     int           // looks in a row above Memory
	Asked    bool          // it was asked for
}

// draw gives each worker limits of its own, so that workers which started
// together are not recycled together. random returns a number in [0, n).
func draw(l *config.Loaded, random func(n int64) int64) recycling {
	r := recycling{Drawn: true, Memory: int64(l.MaxMemory)}
	if l.MaxRequests > 0 {
		r.Requests = uint64(l.MaxRequests) + uint64(random(int64(l.MaxRequestsJitter)+1))
	}
	if d := time.Duration(l.MaxLifetime); d > 0 {
		r.Lifetime = d + time.Duration(random(int64(d/100*lifetimeJitter)+1))
	}
	return r
}

func (r *recycling) on() bool { return r.Requests > 0 || r.Lifetime > 0 || r.Memory > 0 }

// byAge says why a worker of that age, which has served so many requests, is to
// be recycled; empty if it is not.
func (r *recycling) byAge(age time.Duration, requests uint64) string {
	switch {
	case r.Requests > 0 && requests >= r.Requests:
		return fmt.Sprintf("it has taken %d requests, its limit is %d", requests, r.Requests)
	case r.Lifetime > 0 && age >= r.Lifetime:
		return fmt.Sprintf("it is %v old, its limit is %v", age.Round(time.Second), r.Lifetime.Round(time.Second))
	}
	return ""
}

// bySize does the same for the memory that it has.
func (r *recycling) bySize(size int64) string {
	if r.Memory == 0 || size <= r.Memory {
		r.Over = 0
		return ""
	}
	r.Over++
	if r.Over < tooLarge {
		return ""
	}
	return fmt.Sprintf("it has %v of memory, its limit is %v", config.Bytes(size), config.Bytes(r.Memory))
}

// watchRecycling has the loop hold the workers against their limits, now and
// then. Their memory is read here: the loop does not wait for the kernel.
func (s *Supervisor) watchRecycling() {
	ticker := time.NewTicker(recycleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.done:
			return
		}
		answer := make(chan []sized, 1)
		if !s.send(recyclingDue{answer}) {
			return
		}
		var workers []sized
		select {
		case workers = <-answer:
		case <-s.done:
			return
		}
		for i := range workers {
			workers[i].size = anonymous(workers[i].pid)
		}
		if len(workers) > 0 && !s.send(sizesSeen{workers}) {
			return
		}
	}
}

// sized is a worker whose memory is looked at.
type sized struct {
	id   arbiter.WorkerID
	pid  int
	size int64 // -1: not known
}

// recyclingDue asks which workers have a limit on their memory, after those
// have been recycled that are so by other limits.
type recyclingDue struct{ answer chan<- []sized }

func (m recyclingDue) handle(s *Supervisor) {
	var look []sized
	now := time.Now()
	for _, known := range s.core.Snapshot().Workers {
		w := s.workers[known.ID]
		if w == nil || known.State != arbiter.Ready || known.Stopped {
			continue
		}
		r := s.limits(w)
		if r == nil || r.Asked {
			continue
		}
		var requests uint64
		if r.Requests > 0 {
			requests = w.board.Brief().Requests
			if !known.Speaks && !s.uncounted && now.Sub(known.ReadyAt) > countsWithin {
				s.uncounted = true
				s.log.Warn("--max-requests has no effect on this worker: it is not a Tandem worker and counts no requests", "worker", w.id)
			}
		}
		if why := r.byAge(now.Sub(w.started), requests); why != "" {
			s.recycle(w, why)
		} else if r.Memory > 0 {
			look = append(look, sized{id: w.id, pid: w.process.PID()})
		}
	}
	m.answer <- look // has room for one, and there is one
}

// sizesSeen says how large workers were. One that is gone by now is nobody's.
type sizesSeen struct{ workers []sized }

func (m sizesSeen) handle(s *Supervisor) {
	for _, seen := range m.workers {
		w := s.workers[seen.id]
		if w == nil || seen.size < 0 || w.recycling.Asked {
			continue
		}
		if why := w.recycling.bySize(seen.size); why != "" {
			s.recycle(w, why)
		}
	}
}

// limits returns what a worker is recycled by, nil if by nothing.
func (s *Supervisor) limits(w *worker) *recycling {
	if !w.recycling.Drawn {
		g := s.generations[w.generation]
		if g == nil {
			return nil // undone or replaced: it is on its way out
		}
		w.recycling = draw(g.config, rand.Int64N)
	}
	if !w.recycling.on() {
		return nil
	}
	return &w.recycling
}

// recycle asks for a worker to be replaced, once.
func (s *Supervisor) recycle(w *worker, why string) {
	w.recycling.Asked = true
	s.log.Info("worker is to be recycled, when its replacement is ready", "worker", w.id, "pid", w.process.PID(), "reason", why)
	s.noteWorker(w, timeline.WorkerRecycled, why, byUs, "is to be replaced")
	s.step(arbiter.Recycle{ID: w.id, Reason: why})
}

// anonymous is the memory of a process that is its own, in bytes: not that of
// files it has mapped, which the kernel takes back when it likes. -1 says that it
// is not known.
func anonymous(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return -1
	}
	return rssAnon(b)
}

// rssAnon finds "RssAnon:  123 kB" in /proc/pid/status.
func rssAnon(status []byte) int64 {
	_, after, found := bytes.Cut(status, []byte("\nRssAnon:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	number, isKB := bytes.CutSuffix(bytes.TrimSpace(line), []byte(" kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 43)
	if !found || !isKB || err != nil || n < 0 {
		return -1
	}
	return n << 10
}
