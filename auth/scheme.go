package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// scheme is one way for a request to say who asks: it makes a claim C, which is
// looked into by the application's code in either colour.
type scheme[C any] struct {
	name      string
	challenge string // what WWW-Authenticate says to the anonymous
	refusal   string // and to those whose claim is wrong
	token     bool   // RFC 6750 has a say in what 403 looks like

	// claim reads a claim; ok is false if the request makes none of this kind.
	claim func(r *view.Request) (c C, ok bool, err error)

	// async and sync find the user of a claim; one is set. ErrUnknown and
	// ErrCredentials are 401; the anonymous user is as if there were no claim.
	async func(context.Context, *view.Request, C) (view.User, error)
	sync  func(*view.Request, C) (view.User, error)
}

func (s *scheme[C]) middleware() view.Middleware {
	if s.async != nil {
		return view.Use(func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				if err := s.identify(r, func(c C) (view.User, error) { return s.async(ctx, r, c) }); err != nil {
					return nil, err
				}
				return next(ctx, r)
			}
		}).Named(s.name)
	}
	return view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) {
			if err := s.identify(r, func(c C) (view.User, error) { return s.sync(r, c) }); err != nil {
				return nil, err
			}
			return next(r)
		}
	}).Named(s.name)
}

// identify sets the request's user if it makes a claim that is right.
func (s *scheme[C]) identify(r *view.Request, find func(C) (view.User, error)) error {
	st := stateOf(r)
	st.challenges = append(st.challenges, s.challenge)
	c, ok, err := s.claim(r)
	if err != nil || !ok {
		return s.answer(err)
	}
	u, err := find(c)
	if err != nil {
		return s.answer(err)
	}
	if !u.Anonymous() {
		r.SetUser(u)
		st.token = ""
		if s.token {
			st.token = s.challenge
		}
	}
	return nil
}

// answer makes a 401 of what says that the claim is wrong.
func (s *scheme[C]) answer(err error) error {
	switch {
	case errors.Is(err, ErrCredentials):
		return &view.Error{Status: http.StatusUnauthorized, Code: "credentials", Message: ErrCredentials.Error(), Err: err, Header: challenge(s.refusal)}
	case errors.Is(err, ErrUnknown), errors.Is(err, errMalformed):
		return &view.Error{Status: http.StatusUnauthorized, Code: "credentials", Message: "wrong credentials", Err: err, Header: challenge(s.refusal)}
	}
	return err
}

func challenge(values ...string) http.Header { return http.Header{"Www-Authenticate": values} }

// state is what schemes tell [Require] of a request.
type state struct {
	challenges []string // of the schemes around the route
	token      string   // the challenge of the scheme, if the user came by a token
	login      string   // the login page
}

type stateKey struct{}

func stateOf(r *view.Request) *state {
	st, ok := view.Value[*state](r, stateKey{})
	if !ok {
		st = new(state)
		r.Set(stateKey{}, st)
	}
	return st
}

// errMalformed is a credential that its scheme does not allow.
var errMalformed = errors.New("malformed credentials")

// authorization returns the credentials that a request has for a scheme. A request
// with several of them says nothing that could be trusted.
func authorization(r *view.Request, scheme string) (credentials string, ok bool, err error) {
	values := r.Header()["Authorization"]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		name, credentials, _ := strings.Cut(values[0], " ")
		return strings.Trim(credentials, " "), strings.EqualFold(name, scheme), nil
	}
	return "", false, &view.Error{Status: http.StatusBadRequest, Message: "more than one Authorization header"}
}

// quoted makes a quoted-string of a realm.
func quoted(realm string) string {
	for i := range len(realm) {
		if realm[i] < ' ' || realm[i] > '~' {
			panic(fmt.Sprintf("auth: realm %q: a realm is of printable ASCII", realm))
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `"`
}
