package session_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// memory is a store of one process, for tests alone.
type memory struct {
	mu   sync.Mutex
	data map[string]string
	ends map[string]time.Time
	fail error
	hook func() // called before an update
}

func newMemory() *memory { return &memory{data: map[string]string{}, ends: map[string]time.Time{}} }

func (m *memory) Load(id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.data[id]
	if !ok || !time.Now().Before(m.ends[id]) {
		return nil, errors.Join(session.ErrNotFound, m.fail)
	}
	return []byte(data), m.fail
}

func (m *memory) Create(id string, data []byte, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[id], m.ends[id] = string(data), expires
	return m.fail
}

func (m *memory) Update(id string, data []byte, expires time.Time) error {
	if m.hook != nil {
		m.hook()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.data[id]; !ok {
		return session.ErrNotFound
	}
	m.data[id], m.ends[id] = string(data), expires
	return m.fail
}

func (m *memory) Delete(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, id)
	return m.fail
}

// only is the id of the one session there must be, with its data.
func (m *memory) only(t *testing.T) (id, data string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.data) != 1 {
		t.Fatalf("sessions %v, want one", m.data)
	}
	id = slices.Collect(maps.Keys(m.data))[0]
	return id, m.data[id]
}

// asyncMemory is the same in the other colour.
type asyncMemory struct{ *memory }

func (m asyncMemory) Load(ctx context.Context, id string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m.memory.Load(id)
}

func (m asyncMemory) Create(ctx context.Context, id string, data []byte, expires time.Time) error {
	return errors.Join(ctx.Err(), m.memory.Create(id, data, expires))
}

func (m asyncMemory) Update(ctx context.Context, id string, data []byte, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.memory.Update(id, data, expires)
}

func (m asyncMemory) Delete(ctx context.Context, id string) error {
	return errors.Join(ctx.Err(), m.memory.Delete(id))
}

// stores makes the middleware of either colour for a store.
var stores = map[string]func(*memory, session.Keys, ...session.Option) view.Middleware{
	"async": func(m *memory, ks session.Keys, opts ...session.Option) view.Middleware {
		return session.Stored(asyncMemory{m}, ks, opts...)
	},
	"sync": func(m *memory, ks session.Keys, opts ...session.Option) view.Middleware {
		return session.StoredSync(m, ks, opts...)
	},
}

func eachStore(t *testing.T, test func(t *testing.T, m *memory, with func(...session.Option) *browser)) {
	for colour, middleware := range stores {
		for profile, opts := range profiles {
			t.Run(colour+" "+profile, func(t *testing.T) {
				m := newMemory()
				test(t, m, func(o ...session.Option) *browser {
					return newBrowser(t, middleware(m, keys(t, secret), o...), opts...)
				})
			})
		}
	}
}

func TestAStoreKeepsTheValuesAndTheCookieTheID(t *testing.T) {
	eachStore(t, func(t *testing.T, m *memory, with func(...session.Option) *browser) {
		b := with()
		b.get("/plain", 200, "plain")
		b.get("/visits", 200, "0")
		id, data := m.only(t)
		if data != `{"visits":1}` || len(id) != 26 {
			t.Errorf("session %q: %s", id, data)
		}
		b.get("/visits", 200, "1")
		if same, data := m.only(t); same != id || data != `{"visits":2}` {
			t.Errorf("session %q: %s", same, data)
		}
		b.get("/visits?fail", 500, "")
		b.get("/visits?huge", 500, "")

		planted := b.cookies[cookieName]
		b.get("/visits?rotate", 200, "2")
		rotated, data := m.only(t) // the old one is gone
		if rotated == id || data != `{"visits":2}` {
			t.Errorf("rotated %q: %s", rotated, data)
		}
		b.get("/visits?restart", 200, "2")
		if fresh, data := m.only(t); fresh == rotated || data != `{"visits":1}` {
			t.Errorf("restarted %q: %s", fresh, data)
		}
		kept := b.cookies[cookieName]
		b.cookies[cookieName] = planted
		if h := b.get("/visits?look", 200, "0"); !strings.Contains(h.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("the id from before: header %v", h)
		}
		b.cookies[cookieName] = kept
		b.get("/visits?clear", 200, "1")
		if len(m.data) != 0 || len(b.cookies) != 0 {
			t.Errorf("cleared: sessions %v, cookies %v", m.data, b.cookies)
		}
	})
}

func TestASessionThatAnotherRequestEndedIsNotBroughtBack(t *testing.T) {
	eachStore(t, func(t *testing.T, m *memory, with func(...session.Option) *browser) {
		b := with()
		b.get("/visits", 200, "0")
		id, _ := m.only(t)
		m.hook = func() { _ = m.Delete(id) } // while the view ran
		if h := b.get("/visits", 409, ""); h.Get("Set-Cookie") != "" {
			t.Errorf("header %v", h)
		}
		if !strings.Contains(b.last.Body.String(), "the session has ended meanwhile") || len(m.data) != 0 {
			t.Errorf("%s; sessions %v", b.last.Body, m.data)
		}
	})
}

func TestAStoreThatFailsIsAnErrorOfOurs(t *testing.T) {
	eachStore(t, func(t *testing.T, m *memory, with func(...session.Option) *browser) {
		b := with()
		b.get("/visits", 200, "0")
		m.fail = errors.New("disk full")
		for _, q := range []string{"/plain", "/visits", "/visits?rotate", "/visits?clear"} {
			if h := b.get(q, 500, ""); h.Get("Set-Cookie") != "" || strings.Contains(b.last.Body.String(), "disk") {
				t.Errorf("%v %s", h, b.last.Body)
			}
		}
		b.cookies = map[string]string{}
		b.get("/visits", 500, "")
	})
}

func TestAStoredSessionIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for colour, middleware := range stores {
			m := newMemory()
			b := newBrowser(t, middleware(m, keys(t, secret), session.Idle(time.Hour)))
			b.get("/visits", 200, "0")
			for range 3 {
				time.Sleep(50 * time.Minute)
				if h := b.get("/plain", 200, "plain"); h.Get("Set-Cookie") == "" || h.Get("Vary") != "Cookie" {
					t.Errorf("%s: header %v", colour, h)
				}
			}
			b.get("/visits?look", 200, "1")
			id, _ := m.only(t)
			time.Sleep(50 * time.Minute)
			m.hook = func() { _ = m.Delete(id) }
			if h := b.get("/plain", 200, "plain"); h.Get("Set-Cookie") != "" { // logged out meanwhile
				t.Errorf("%s: header %v", colour, h)
			}
		}
	})
}
