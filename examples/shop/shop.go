package main

import (
	"context"
	"time"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/openapi"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// shop is the application: what its views and jobs share. Queries are values that ask nothing until they are used, so each is
// made once; a model that is wrong is found here, at the start.
type shop struct {
	app  *view.App
	db   *orm.DB
	hold time.Duration // how long a placed order waits for its payment
	poll time.Duration // how often the database is asked what is new

	accounts orm.Query[Account]
	products orm.Query[Product]
	stocks   orm.Query[Stock]
	labels   orm.Query[Label]
	orders   orm.Query[Order]
	lines    orm.Query[Line]

	passwords *auth.Passwords
	checker   *auth.Checker
}

// The permissions there are. They are what routes ask for; who has which is accounts.go's to say.
const (
	mayStock  = "stock.change"
	mayReport = "report.read"
)

// newShop makes the application of a database, which stays the caller's.
func newShop(ctx context.Context, db *orm.DB, set settings, options ...view.Option) (*shop, error) {
	s := &shop{
		db: db, hold: set.Hold, poll: time.Second,
		accounts: orm.For[Account](db), products: orm.For[Product](db), stocks: orm.For[Stock](db),
		labels: orm.For[Label](db), orders: orm.For[Order](db), lines: orm.For[Line](db),
	}
	var err error
	if s.passwords, err = auth.NewPasswords(set.Passwords); err != nil {
		return nil, err
	}
	s.checker = auth.NewChecker(s.passwords, s.accountByName)
	keys, err := sessionKeys(ctx, db, set.SessionKey)
	if err != nil {
		return nil, err
	}
	csrf, err := middleware.CSRF(middleware.CrossOrigin{}) // cookies say who asks, so other sites' pages must not
	if err != nil {
		return nil, err
	}
	secure, err := middleware.SecurityHeaders(middleware.Security{})
	if err != nil {
		return nil, err
	}
	var cookie []session.Option
	if set.Develop {
		cookie = append(cookie, session.Insecure())
		options = append(options, view.ServerTiming(nil))
	}
	s.app = view.New(append(options, view.DefaultDeadline(30*time.Second))...)
	s.app.Use(middleware.RequestID(), csrf, secure)

	// The session, and the account that goes with it, only around what wants to know who asks: the others need no query for it.
	known := view.With(session.Sealed(keys, cookie...), auth.Session(s.accountByID))
	s.app.Routes(s.routes(known)...)
	s.app.Routes(openapi.Routes(s.app, openapi.Info{
		Title: "Shop", Version: "1.0",
		Description: "Log in by POST /login/; the cookie says who asks from then on.",
	})...)
	return s, nil
}

// routes are all there is. The order of options counts: auth.Require stands inside of the session.
func (s *shop) routes(known view.RouteOption) []view.Route {
	staff, reader := auth.Require(mayStock), auth.Require(mayReport)
	long := view.Deadline(-1) // a stream takes as long as its client
	return []view.Route{
		view.Path("GET /{$}", s.home, view.Doc(view.Documentation{Hidden: true})),
		view.Path("GET /healthz", s.healthz, view.Deadline(2*time.Second)),

		view.Path("POST /accounts/{$}", view.JSONView(s.signUp, view.Created())),
		view.Path("POST /login/{$}", view.JSONView(s.logIn), known),
		view.Path("POST /logout/{$}", view.JSONView(s.logOut), known),

		view.Path("GET /products/{$}", view.JSONView(s.listProducts)),
		view.Path("GET /products/{id}/{$}", view.JSONView(s.showProduct)),
		view.Path("POST /products/{$}", view.JSONView(s.createProduct, view.Created()), known, staff),
		view.Path("GET /products/export/{$}", s.exportProducts, view.Describe[view.None, view.Response](), known, staff, long),
		view.Path("POST /products/import/{$}", s.importProducts, view.Describe[view.None, imported](), known, staff, long, view.MaxBody(maxImport)),

		view.Path("GET /orders/{$}", view.JSONView(s.listOrders), known, auth.LoggedIn()),
		view.Path("POST /orders/{$}", view.JSONView(s.placeOrder, view.Created()), known, auth.LoggedIn()),
		view.Path("GET /orders/{id}/{$}", view.JSONView(s.showOrder), known, auth.LoggedIn()),
		view.Path("POST /orders/{id}/pay/{$}", view.JSONView(s.payOrder), known, auth.LoggedIn()),
		view.Path("POST /orders/{id}/cancel/{$}", view.JSONViewSync(s.cancelOrder), known, auth.LoggedIn()),
		view.Path("GET /orders/{id}/events/{$}", s.orderEvents, view.Describe[byID, view.Response](), known, auth.LoggedIn(), long),

		view.Path("GET /report/{$}", view.JSONViewSync(s.report), known, reader),
	}
}
