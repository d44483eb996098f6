package session

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Defaults of [Lifetime] and [Idle].
const (
	DefaultLifetime = 14 * 24 * time.Hour
	DefaultIdle     = 24 * time.Hour
)

const (
	maxCookie = 4096     // of a whole Set-Cookie: browsers drop longer ones without a word
	maxStored = 64 << 10 // of a session in a store, in bytes
)

// manager is what all sessions of one middleware have in common.
type manager struct {
	keys     Keys
	name     string
	insecure bool
	sameSite http.SameSite
	lifetime time.Duration
	idle     time.Duration
	limit    int // of the encoded values, in bytes
}

// Option configures a session's middleware.
type Option func(*manager)

// Name sets the cookie's name. The default is "__Host-session", which browsers take
// from this host and over TLS only; with [Insecure] it is "session".
func Name(name string) Option { return func(m *manager) { m.name = name } }

// Insecure leaves Secure out, for development over plain HTTP.
func Insecure() Option { return func(m *manager) { m.insecure = true } }

// SameSite sets the cookie's SameSite; the default is Lax.
func SameSite(mode http.SameSite) Option { return func(m *manager) { m.sameSite = mode } }

// Lifetime ends a session that long after it began or was last rotated, however it
// is used. The default is [DefaultLifetime].
func Lifetime(d time.Duration) Option { return func(m *manager) { m.lifetime = d } }

// Idle ends a session that was not used for so long. A session in use is sent anew
// when a tenth of it has passed. The default is [DefaultIdle].
func Idle(d time.Duration) Option { return func(m *manager) { m.idle = d } }

// newManager panics where the options contradict each other: that is no input but
// the program.
func newManager(keys Keys, opts []Option) *manager {
	if keys.ring == nil {
		panic("session: no keys: make them with NewKeys")
	}
	m := &manager{keys: keys, sameSite: http.SameSiteLaxMode, lifetime: DefaultLifetime, idle: DefaultIdle}
	for _, o := range opts {
		o(m)
	}
	if m.name == "" {
		m.name = "__Host-session"
		if m.insecure {
			m.name = "session"
		}
	}
	switch {
	case m.cookie("", time.Second).Valid() != nil:
		panic(fmt.Sprintf("session: cookie %q: %v", m.name, m.cookie("", time.Second).Valid()))
	case m.lifetime < time.Second || m.idle < time.Second:
		panic(fmt.Sprintf("session: Lifetime %v, Idle %v: need at least a second", m.lifetime, m.idle))
	case m.insecure && strings.HasPrefix(m.name, "__"):
		panic(fmt.Sprintf("session: browsers refuse a cookie called %s without Secure", m.name))
	case m.insecure && m.sameSite == http.SameSiteNoneMode:
		panic("session: browsers refuse SameSite=None without Secure")
	}
	return m
}

// cookie makes the cookie of a value.
func (m *manager) cookie(value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: m.name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: !m.insecure, HttpOnly: true, SameSite: m.sameSite,
	}
	if age <= 0 {
		c.MaxAge = -1 // "Max-Age=0": the browser drops it
	}
	return c
}
