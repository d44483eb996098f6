package verify

import (
	"fmt"
	"time"
)

// coldFor is how long a new worker is taken for cold.
const coldFor = 2 * time.Second

// slow is why an answer was late.
func (j *judge) slow(s Sample) Cause {
	c := Cause{Symptom: SymptomLate, subject: s.Path}
	if was, is, ok := j.slower(s.Path); ok {
		c.Code = "new-generation-is-slower"
		c.Text = fmt.Sprintf("GET %s takes %s since the reloads are over, and took %s before (p50)", s.Path, short(is), short(was))
		c.Remedy = "it is the new program or its env file, or what it now waits for: compare the two"
		return c
	}
	begin := s.End.Add(-s.Took)
	for _, at := range j.Arrivals {
		if !s.End.Before(at) && !begin.After(at.Add(coldFor)) {
			c.Code = "cold-start"
			c.Text = fmt.Sprintf("GET %s was slow just after a new worker had become ready: caches, pools and lazy initialisation are filled by its first requests", s.Path)
			c.Remedy = "fill them before READY=1: what worker.Lifespan starts is waited for"
			return c
		}
	}
	for _, r := range j.Reloads {
		if !s.End.Before(r.Began) && !begin.After(r.over()) {
			c.Code = "start-takes-cpu"
			c.Text = fmt.Sprintf("GET %s was slow while new workers started, which takes CPU from those that serve", s.Path)
			c.Remedy = "a lighter start, or fewer workers than CPUs; --surge 1 starts one at a time"
			return c
		}
	}
	c.Code = Unknown
	c.Text = fmt.Sprintf("GET %s was slow at a time when nothing was reloaded", s.Path)
	c.Remedy = "the machine or what the app waits for; run this again, at a lower --rate"
	return c
}

// medians are of a path before the first reload and after the last; ok when there are
// enough of both.
type medians struct {
	was, is time.Duration
	ok      bool
}

// slower says whether a path is late in the middle since the last reload.
func (j *judge) slower(path string) (was, is time.Duration, ok bool) {
	m, known := j.medians[path]
	if !known {
		if j.medians == nil {
			j.medians = map[string]medians{}
		}
		m.was, m.is, m.ok = j.compare(path)
		j.medians[path] = m
	}
	return m.was, m.is, m.ok && m.is > j.late[path]
}

func (j *judge) compare(path string) (was, is time.Duration, ok bool) {
	since := j.settled()
	if since.IsZero() {
		return 0, 0, false
	}
	since = since.Add(coldFor / 2)
	var before, after []time.Duration
	for _, s := range j.Samples {
		switch {
		case s.Path != path || s.Outcome != Answered:
		case j.before(s):
			before = append(before, s.Took)
		case s.End.Add(-s.Took).After(since):
			after = append(after, s.Took)
		}
	}
	if len(before) < enoughBefore || len(after) < enoughBefore {
		return 0, 0, false
	}
	return median(before), median(after), true
}
