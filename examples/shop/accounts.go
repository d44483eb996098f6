package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// credentials is what signing up and logging in take.
type credentials struct {
	Name     string `json:"name" minLength:"1" maxLength:"60" example:"bo"`
	Password string `json:"password" minLength:"10" maxLength:"200" format:"password" example:"bo's demo password"`
}

// person is what the shop says of an account: never the hash of its password.
type person struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Staff bool   `json:"staff"`
}

// signUp makes an account. That a name is taken is found by the database, which alone knows it for sure: two who ask first
// and insert then would both find it free.
func (s *shop) signUp(ctx context.Context, r *view.Request, in credentials) (person, error) {
	hash, err := s.passwords.Hash(ctx, r, in.Password) // on a permit for computing; outside of any transaction
	if err != nil {
		return person{}, err
	}
	account := &Account{Name: in.Name, Password: hash}
	if err := s.accounts.Create(ctx, account); errors.Is(err, orm.ErrUnique) {
		return person{}, view.Invalid(view.FieldError{In: "body", Field: "name", Message: "is taken"})
	} else if err != nil {
		return person{}, err
	}
	return person{account.ID, account.Name, account.Staff}, nil
}

func (s *shop) logIn(ctx context.Context, r *view.Request, in credentials) (person, error) {
	account, err := s.checker.Check(ctx, r, in.Name, in.Password)
	if err != nil {
		return person{}, err // a 401 for a wrong name and for a wrong password, after the same time
	}
	if err := auth.Login(r, account); err != nil {
		return person{}, err
	}
	return person{account.User.ID, account.User.Name, account.User.Has(mayStock)}, nil
}

func (s *shop) logOut(_ context.Context, r *view.Request, _ view.None) (view.None, error) {
	auth.Logout(r)
	return view.None{}, nil
}

// accountByName and accountByID are how package auth finds accounts. They have a ctx, so its middleware is async.
func (s *shop) accountByName(ctx context.Context, name string) (auth.Account, error) {
	account, err := s.accounts.Filter("name = ?", name).One(ctx)
	return known(account, err)
}

func (s *shop) accountByID(ctx context.Context, id int64) (auth.Account, error) {
	account, err := s.accounts.Get(ctx, id)
	return known(account, err)
}

func known(account *Account, err error) (auth.Account, error) {
	if errors.Is(err, orm.ErrNotFound) {
		return auth.Account{}, auth.ErrUnknown
	} else if err != nil {
		return auth.Account{}, err
	}
	user := view.User{ID: account.ID, Name: account.Name}
	if account.Staff {
		user.Permissions = []string{mayStock, mayReport}
	}
	return auth.Account{User: user, Password: account.Password}, nil
}

// promote makes an account staff's. It is sync: it runs in a command, which holds the scope.
func (s *shop) promote(scope *bridge.Scope, name string) error {
	n, err := s.accounts.Filter("name = ?", name).Sync(scope).Update(orm.Set("staff", true))
	if err == nil && n == 0 {
		err = fmt.Errorf("%w; POST /accounts/ makes one", orm.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("promote %q: %w", name, err)
	}
	return nil
}

// healthz says whether this worker can do its work. It is for whoever spreads requests, not for who restarts workers: a
// database that is down is not made better by that.
func (s *shop) healthz(ctx context.Context, _ *view.Request) (view.Response, error) {
	if err := s.db.SQL().PingContext(ctx); err != nil {
		return nil, &view.Error{Status: http.StatusServiceUnavailable, Message: "the database does not answer", Err: err}
	}
	return view.Text("ok\n"), nil
}
