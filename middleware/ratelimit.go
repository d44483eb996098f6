package middleware

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/view"
)

// Rate is how much one client may ask, for [RateLimit].
type Rate struct {
	// Requests may be made in a time of Per, evenly spread; both are more than 0.
	Requests int
	Per      time.Duration

	// Burst is how many may come at once after a time of silence; 0: as many as
	// Requests. In no time t more than Burst + Requests * t / Per get through.
	Burst int

	// Key says whose request it is; nil is the client's address. What returns the
	// same key shares one limit, also where that is "".
	Key func(*view.Request) string

	// Exempt says which requests are neither limited nor counted, such as those of
	// who asks whether the worker is well; nil: none.
	Exempt func(*view.Request) bool

	// Workers is among how many processes the limit is divided, worker.Self().Workers:
	// each admits its part, a request at a time at least. A client that keeps to one
	// connection is served by one of them, and has that part alone. 0 and 1: it is
	// not divided, and a client may get as much from each.
	Workers int

	// Keys is how many keys are remembered, 65,536 if it is 0, at 17 bytes each.
	// Where more than that are over their even rate at a time, strangers begin
	// with a debt: nobody gets more than the limit, some may get less.
	Keys int

	// Name is that of the policy, in the header; "default" if it is empty. Where
	// routes have limits of their own besides, names tell them apart.
	Name string
}

// RateLimit refuses, with 429 and Retry-After, what goes beyond a rate. Every answer
// says in RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers) what
// the limit is, how many requests are left of it, and in how many seconds all of it
// will be there again.
//
// A client is its address, of IPv6 the network of 64 bits that a customer has. That is
// what [view.Request.RemoteAddr] says: behind a proxy it takes worker.TrustedProxies.
// The limit is this process's, and lives as long; nothing is shared with others.
// Refused requests do not count.
//
// A refusal comes before the body is read and before the view takes a permit, if it
// is outside of all sync code.
func RateLimit(rate Rate) (view.Middleware, error) {
	l, err := newRateLimit(rate)
	if err != nil {
		return view.Middleware{}, fmt.Errorf("rate limit: %w", err)
	}
	return view.Both(
		func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				return l.around(r, func() (view.Response, error) { return next(ctx, r) })
			}
		},
		func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				return l.around(r, func() (view.Response, error) { return next(r) })
			}
		},
	).Named("rateLimit"), nil
}

// ByUser is a [Rate.Key]: the user of the request, and the address of one who is
// not known. It goes inside of the middleware that finds out who asks.
func ByUser(r *view.Request) string {
	if u := r.User(); !u.Anonymous() {
		return "user " + strconv.FormatInt(u.ID, 10) + " " + u.Name
	}
	return string(appendNetwork([]byte("address "), r.RemoteAddr()))
}

// rateLimit is a Rate at work.
type rateLimit struct {
	buckets *buckets
	key     func(*view.Request) string
	exempt  func(*view.Request) bool
	policy  string // the header's value
	name    string // as it is in headers
	began   time.Time
}

func newRateLimit(rate Rate) (*rateLimit, error) {
	workers, keys, name := max(1, rate.Workers), rate.Keys, rate.Name
	if keys == 0 {
		keys = 1 << 16
	}
	if name == "" {
		name = "default"
	}
	burst := rate.Burst
	if burst == 0 {
		burst = rate.Requests
	}
	switch {
	case rate.Requests < 1 || rate.Per <= 0:
		return nil, fmt.Errorf("%d requests in %v; both are more than 0", rate.Requests, rate.Per)
	case rate.Burst < 0:
		return nil, fmt.Errorf("a burst of %d; give 1 or more, or 0 for as many as Requests", rate.Burst)
	case rate.Workers < 0 || rate.Workers > 1<<16:
		return nil, fmt.Errorf("%d workers", rate.Workers)
	case keys < 1 || keys > 1<<26:
		return nil, fmt.Errorf("memory of %d keys; give 1 to 67108864, or 0 for 65536", keys)
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }):
		return nil, fmt.Errorf("the name %q: give printable ASCII without quotes", name)
	}
	burst = (burst + workers - 1) / workers
	every := (rate.Per-1)/time.Duration(rate.Requests) + 1 // upwards: never more than the rate
	if every > maxDebt/time.Duration(workers)/time.Duration(burst) {
		return nil, fmt.Errorf("%d requests in %v with a burst of %d is less than one in a lifetime", rate.Requests, rate.Per, burst)
	}
	every *= time.Duration(workers)
	l := &rateLimit{
		buckets: newBuckets(every, burst, keys), key: rate.Key, exempt: rate.Exempt,
		name: `"` + name + `"`, began: time.Now(),
	}
	l.policy = fmt.Sprintf("%s;q=%d;w=%d", l.name, burst, seconds(every*time.Duration(burst)))
	return l, nil
}

// seconds are whole ones, upwards.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func (l *rateLimit) around(r *view.Request, next func() (view.Response, error)) (view.Response, error) {
	if l.exempt != nil && l.exempt(r) {
		return next()
	}
	t := l.buckets.take(l.hash(r), time.Since(l.began))
	var b [64]byte
	now := append(b[:0], l.name...)
	now = strconv.AppendInt(append(now, ";r="...), int64(t.left), 10)
	now = strconv.AppendInt(append(now, ";t="...), seconds(t.full), 10)
	if t.wait > 0 {
		return nil, &view.Error{
			Status: http.StatusTooManyRequests, Code: "rate_limited", Message: "too many requests",
			Header: http.Header{
				"Retry-After":      {strconv.FormatInt(seconds(t.wait), 10)},
				"Ratelimit-Policy": {l.policy}, "Ratelimit": {string(now)},
			},
		}
	}
	resp, err := next()
	return view.WithHeader(view.WithHeader(resp, "Ratelimit-Policy", l.policy), "Ratelimit", string(now)), err
}

// hash is the key's. Who does not know the seed finds no two keys that share one.
func (l *rateLimit) hash(r *view.Request) uint64 {
	if l.key != nil {
		return maphash.String(l.buckets.seed, l.key(r))
	}
	var b [8]byte
	return maphash.Bytes(l.buckets.seed, appendNetwork(b[:0], r.RemoteAddr()))
}

// appendNetwork appends what a client's address is known by: the address, or its
// network. What is no address of the network, such as a unix socket's, is itself.
func appendNetwork(b []byte, remote string) []byte {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return append(b, remote...)
	}
	addr := peer.Addr().Unmap()
	if addr.Is4() {
		four := addr.As4()
		return append(b, four[:]...)
	}
	sixteen := addr.As16()
	return append(b, sixteen[:8]...)
}
