package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// remembered are passwords that were right, as MACs: at most as many as order has
// room for, the oldest making room. A nil one remembers nothing.
type remembered struct {
	key  [32]byte // of this process
	life time.Duration

	mu    sync.Mutex
	until map[mac]time.Time
	order []mac // a ring, in the order of coming
	next  int
}

type mac [sha256.Size]byte

func newRemembered(n int, life time.Duration) *remembered {
	r := &remembered{life: life, until: make(map[mac]time.Time), order: make([]mac, 0, n)}
	_, _ = rand.Read(r.key[:]) // never fails
	return r
}

// of is the MAC of a password with its hash. A hash has no NUL.
func (r *remembered) of(password, hash string) (m mac) {
	h := hmac.New(sha256.New, r.key[:])
	h.Write([]byte(hash))
	h.Write([]byte{0})
	h.Write([]byte(password))
	h.Sum(m[:0])
	return m
}

func (r *remembered) has(password, hash string) bool {
	if r == nil {
		return false
	}
	m := r.of(password, hash)
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until[m])
}

func (r *remembered) add(password, hash string) {
	if r == nil {
		return
	}
	m := r.of(password, hash)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.until[m]; !ok {
		if len(r.order) < cap(r.order) {
			r.order = append(r.order, m)
		} else {
			delete(r.until, r.order[r.next])
			r.order[r.next] = m
			r.next = (r.next + 1) % len(r.order)
		}
	}
	r.until[m] = time.Now().Add(r.life)
}
