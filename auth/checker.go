package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// Account is what an application knows of a user who may log in.
type Account struct {
	User     view.User
	Password string // its hash, as Passwords.Hash makes it; "" if there is no password to log in with
}

// ErrUnknown is what a lookup returns where there is no such account or token, or
// none that may be used.
var ErrUnknown = errors.New("no such account")

// ErrCredentials says that name or password is wrong, and not which. A view may
// return it: it is a 401.
var ErrCredentials error = &view.Error{Status: http.StatusUnauthorized, Code: "credentials", Message: "wrong name or password"}

// ByName looks an account up by the name that somebody gave. The type is the
// colour. Names come as they were sent, at most 255 bytes of UTF-8.
type ByName interface {
	func(ctx context.Context, name string) (Account, error) | func(name string) (Account, error)
}

// maxName is the greatest length of a name, in bytes.
const maxName = 255

// Checker checks names and passwords, for [Basic] and for login views. It is safe
// for concurrent use.
type Checker struct {
	passwords *Passwords
	lookup    lookup[string, Account]
	seen      *remembered // nil: none
}

// CheckerOption configures a [Checker].
type CheckerOption func(*Checker)

// Remember has a password that was right count as right again for that long
// without computing, at most n of them: for clients that send it with every
// request. What is kept is a MAC under a key of this process, of password and hash
// together, so a change of password ends it. The account is looked up each time.
func Remember(n int, d time.Duration) CheckerOption {
	if n < 1 || d <= 0 {
		panic(fmt.Sprintf("auth.Remember: %d passwords for %v: need at least one, for some time", n, d))
	}
	return func(c *Checker) { c.seen = newRemembered(n, d) }
}

// NewChecker makes a Checker of the application's accounts.
func NewChecker[L ByName](p *Passwords, byName L, opts ...CheckerOption) *Checker {
	c := &Checker{passwords: p, lookup: lookupOf[string, Account](byName)}
	if p == nil {
		panic("auth.NewChecker: no Passwords")
	}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Check returns the account of that name if the password is its own, else
// [ErrCredentials]. A name that is unknown takes as long as a password that is
// wrong, as long as hashes are of the cost of the Passwords: hash anew what
// [Passwords.NeedsRehash]. A sync lookup takes a permit of the Blocking limiter, verifying one of the
// CPU limiter.
func (c *Checker) Check(ctx context.Context, r *view.Request, name, password string) (Account, error) {
	if !plausible(name, password) {
		return Account{}, ErrCredentials
	}
	a, err := c.lookup.find(ctx, name)
	return c.decide(a, err, password, func(hash string) (bool, error) {
		return c.passwords.Verify(ctx, r, hash, password)
	})
}

// CheckSync is [Checker.Check] for sync code. It awaits what is async, and gives
// its permit back while it waits for one of the CPU limiter.
func (c *Checker) CheckSync(r *view.Request, name, password string) (Account, error) {
	if !plausible(name, password) {
		return Account{}, ErrCredentials
	}
	a, err := c.lookup.findSync(r, name)
	return c.decide(a, err, password, func(hash string) (bool, error) {
		return bridge.Await(r, func(ctx context.Context) (bool, error) {
			return c.passwords.Verify(ctx, r, hash, password)
		})
	})
}

// plausible bounds what is looked up and verified.
func plausible(name, password string) bool {
	return name != "" && len(name) <= maxName && password != "" && len(password) <= MaxPassword
}

// decide verifies the password against the account's hash, or against one that no
// password has where there is none.
func (c *Checker) decide(a Account, err error, password string, verify func(hash string) (bool, error)) (Account, error) {
	if err != nil && !errors.Is(err, ErrUnknown) {
		return Account{}, fmt.Errorf("look up account: %w", err)
	}
	usable := err == nil && a.Password != ""
	hash := a.Password
	if !usable {
		hash = c.passwords.dummy
	}
	if usable && c.seen.has(password, hash) {
		return a, nil
	}
	same, err := verify(hash)
	switch {
	case err != nil:
		return Account{}, fmt.Errorf("verify the password of user %d: %w", a.User.ID, err)
	case !same || !usable:
		return Account{}, ErrCredentials
	case a.User.Anonymous():
		return Account{}, errors.New("look up account: it has neither ID nor name")
	}
	c.seen.add(password, hash)
	return a, nil
}
