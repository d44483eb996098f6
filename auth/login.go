package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// login is what a session knows of its user.
type login struct {
	ID    int64  `json:"id"`
	Proof string `json:"proof"` // of the password of then
}

const loginKey = "auth.login"

// proof binds a session to the password that an account has.
func proof(a Account) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "tandem session of %d: %s", a.User.ID, a.Password))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Login makes the account's user that of the session and of the request. The
// session's id is rotated; its values stay, unless they were another user's. It
// ends for [Session] when the account's password changes: whoever changes his own
// is logged in anew. It needs session middleware around the view, and returns the
// errors of [session.Set].
func Login(r *view.Request, a Account) error {
	if a.User.ID == 0 {
		return errors.New("log in: the account has no ID")
	}
	if before, ok := session.Get[login](r, loginKey); ok && before.ID != a.User.ID {
		session.Clear(r)
	}
	if err := session.Set(r, loginKey, login{a.User.ID, proof(a)}); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	session.Rotate(r)
	r.SetUser(a.User)
	return nil
}

// Logout ends the session, with all that is in it, and makes the request's user
// anonymous.
func Logout(r *view.Request) {
	session.Clear(r)
	r.SetUser(view.User{})
}

// ByID looks up the account that has logged in; [ErrUnknown] if it is there no
// more. The type is the colour.
type ByID interface {
	func(ctx context.Context, id int64) (Account, error) | func(id int64) (Account, error)
}

// Session makes middleware that takes the user from the session, into which
// [Login] has put it. It goes inside of session middleware and is async or sync as
// the lookup is. A session whose account is gone, or has another password by now,
// is cleared, and its user anonymous: a browser could do nothing about a 401.
func Session[L ByID](byID L) view.Middleware {
	l := lookupOf[int64, Account](byID)
	s := &scheme[login]{name: "auth.Session", challenge: "Session", refusal: "Session", claim: readLogin}
	if l.async != nil {
		s.async = func(ctx context.Context, r *view.Request, c login) (view.User, error) {
			a, err := l.async(ctx, c.ID)
			return c.user(r, a, err)
		}
	} else {
		s.sync = func(r *view.Request, c login) (view.User, error) {
			a, err := l.sync(c.ID)
			return c.user(r, a, err)
		}
	}
	return s.middleware()
}

func readLogin(r *view.Request) (login, bool, error) {
	c, ok := session.Get[login](r, loginKey)
	return c, ok, nil
}

func (c login) user(r *view.Request, a Account, err error) (view.User, error) {
	switch {
	case err != nil && !errors.Is(err, ErrUnknown):
		return view.User{}, fmt.Errorf("look up the session's account %d: %w", c.ID, err)
	case err != nil, a.User.ID != c.ID, subtle.ConstantTimeCompare([]byte(proof(a)), []byte(c.Proof)) == 0:
		session.Clear(r)
		return view.User{}, nil
	}
	return a.User, nil
}
