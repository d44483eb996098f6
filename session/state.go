package session

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/view"
)

// values are a session's, each encoded.
type values map[string]json.RawMessage

// sealed is what is in a cookie. Times are Unix seconds.
type sealed struct {
	ID      string `json:"i"`
	Created int64  `json:"c"`
	Seen    int64  `json:"s"`
	Values  values `json:"v,omitempty"` // unless they are in a store
}

// state is the session of one request.
type state struct {
	m      *manager
	cookie string // as it came

	mu       sync.Mutex
	opened   bool   // the cookie was looked at
	stored   bool   // the values are in a store
	known    string // the id it came with; "" if there was none, or none any more
	expired  bool   // there is a cookie that the browser should drop
	used     bool   // by anybody: the answer depends on the cookie
	changed  bool
	sent     bool
	content  sealed
	received time.Time
}

// serve is one request's way through the middleware.
func (m *manager) serve(r *view.Request, b *backend, next func() (view.Response, error)) (view.Response, error) {
	if _, twice := view.Value[*state](r, stateKey{}); twice {
		return nil, fmt.Errorf("session: two session middlewares around %s", r.Pattern())
	}
	s := &state{m: m, stored: b != nil, received: time.Now().Truncate(time.Second)}
	if c, err := r.Cookie(m.name); err == nil {
		s.cookie = c.Value
	}
	if err := s.load(b); err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	r.Set(stateKey{}, s)
	resp, err := next()
	set, used, failure := s.finish(b, err)
	if failure != nil {
		return nil, failure
	}
	if used {
		r.LastHeader(func(h http.Header) { mark(h, set) })
	}
	return resp, err
}

// mark tells browser and caches.
func mark(h http.Header, cookie string) {
	if !slices.ContainsFunc(h["Vary"], hasCookie) {
		h.Add("Vary", "Cookie")
	}
	if cookie != "" {
		h.Add("Set-Cookie", cookie)
		h.Set("Cache-Control", "no-store") // whatever it was: others must not get this cookie
	}
}

func hasCookie(vary string) bool {
	for field := range strings.SplitSeq(vary, ",") {
		if f := strings.TrimSpace(field); f == "*" || strings.EqualFold(f, "Cookie") {
			return true
		}
	}
	return false
}

// open reads the cookie, once, with s.mu held. One that does not open is let be: a
// worker that has newer keys may know it.
func (s *state) open() {
	if s.opened {
		return
	}
	s.opened = true
	plain, err := s.m.keys.open(s.m.name, s.cookie)
	var c sealed
	if err != nil || json.Unmarshal(plain, &c) != nil {
		return
	}
	if !s.received.Before(s.m.end(c)) {
		s.expired = true
		return
	}
	s.content, s.known = c, c.ID
}

// end is when a session expires.
func (m *manager) end(c sealed) time.Time {
	created, seen := time.Unix(c.Created, 0).Add(m.lifetime), time.Unix(c.Seen, 0).Add(m.idle)
	if created.Before(seen) {
		return created
	}
	return seen
}

// load gets the values from a store.
func (s *state) load(b *backend) error {
	if b == nil || s.cookie == "" {
		return nil
	}
	s.open()
	if s.known == "" {
		return nil
	}
	data, err := b.load(s.known)
	if err == nil {
		err = json.Unmarshal(data, &s.content.Values)
	}
	if errors.Is(err, ErrNotFound) {
		s.content, s.known, s.expired, err = sealed{}, "", true, nil
	}
	return err
}

// begin opens the session for a use of it. It returns with s.mu held.
func (s *state) begin() {
	s.mu.Lock()
	s.open()
	s.used = true
}

func (s *state) get(key string) (json.RawMessage, bool) {
	s.begin()
	defer s.mu.Unlock()
	raw, ok := s.content.Values[key]
	return raw, ok
}

func (s *state) set(key string, raw json.RawMessage) error {
	s.begin()
	defer s.mu.Unlock()
	if s.sent {
		return ErrSent
	}
	next := maps.Clone(s.content.Values)
	if next == nil {
		next = values{}
	}
	next[key] = raw
	size, err := s.size(next)
	if err != nil {
		return err
	}
	if size > s.m.limit {
		return fmt.Errorf("%w: %d bytes of at most %d; keep an id there, and the rest elsewhere", ErrTooLarge, size, s.m.limit)
	}
	s.content.Values, s.changed = next, true
	return nil
}

// size is how much values take in the end.
func (s *state) size(v values) (int, error) {
	if s.stored {
		data, err := json.Marshal(v)
		return len(data), err
	}
	const id = "26 characters of rand.Text"
	data, err := json.Marshal(sealed{id, s.received.Unix(), s.received.Unix(), v})
	return sealedSize(len(data)), err
}

func (s *state) delete(key string) {
	s.begin()
	defer s.mu.Unlock()
	if _, ok := s.content.Values[key]; ok {
		next := maps.Clone(s.content.Values)
		delete(next, key)
		s.content.Values, s.changed = next, true
	}
}

func (s *state) clear() {
	s.begin()
	defer s.mu.Unlock()
	s.content, s.changed = sealed{}, true
}

func (s *state) rotate() {
	s.begin()
	defer s.mu.Unlock()
	s.content.ID, s.content.Created, s.changed = "", 0, true
}

// finish saves the session and returns the Set-Cookie there is to send, if any,
// and whether the answer depends on the cookie. A request that failed, unless by
// an answer below 500, changes nothing.
func (s *state) finish(b *backend, err error) (cookie string, used bool, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = true
	var answer *view.Error
	if err == nil || errors.As(err, &answer) && answer.Status < 500 {
		cookie, failure = s.outcome(b)
	}
	return cookie, s.used || cookie != "", failure
}

// outcome is what becomes of the session, with s.mu held.
func (s *state) outcome(b *backend) (cookie string, failure error) {
	renew := s.known != "" && s.received.Sub(time.Unix(s.content.Seen, 0)) >= s.m.idle/10
	switch {
	case len(s.content.Values) == 0:
		if s.changed && s.known != "" && b != nil {
			if err := b.delete(s.known); err != nil {
				return "", fmt.Errorf("delete session: %w", err)
			}
		}
		if s.expired || s.changed && s.cookie != "" {
			return s.m.cookie("", 0).String(), nil
		}
		return "", nil
	case !s.changed && !renew:
		return "", nil
	}
	return s.save(b)
}

func (s *state) save(b *backend) (string, error) {
	c := &s.content
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if c.Created == 0 {
		c.Created = s.received.Unix()
	}
	c.Seen = s.received.Unix()
	end := s.m.end(*c)
	inCookie := *c
	if b != nil {
		inCookie.Values = nil
		switch err := s.store(b, end); {
		case errors.Is(err, ErrNotFound) && s.changed:
			return "", &view.Error{Status: http.StatusConflict, Message: "the session has ended meanwhile", Err: err}
		case errors.Is(err, ErrNotFound): // somebody logged out: so be it
			return "", nil
		case err != nil:
			return "", fmt.Errorf("save session: %w", err)
		}
	}
	plain, err := json.Marshal(inCookie)
	if err != nil {
		return "", fmt.Errorf("encode session: %w", err)
	}
	value, err := s.m.keys.seal(s.m.name, plain)
	if err != nil {
		return "", err
	}
	return s.m.cookie(value, end.Sub(s.received)).String(), nil
}

// store keeps the values under the session's id, and forgets the one it had.
func (s *state) store(b *backend, end time.Time) error {
	data, err := json.Marshal(s.content.Values)
	if err != nil {
		return err
	}
	if s.content.ID == s.known {
		return b.update(s.known, data, end)
	}
	if err := b.create(s.content.ID, data, end); err != nil {
		return err
	}
	if s.known != "" {
		return b.delete(s.known)
	}
	return nil
}
