// Package auth finds out who asks, and turns away who may not.
//
// The invariant: a request's user is the one whose credential was verified, or
// anonymous. A request without a credential is anonymous, and routes decide what
// that means; one with a wrong credential gets 401 and reaches no view. Passwords,
// tokens and hashes are in no error and no log.
//
//	passwords, err := auth.NewPasswords(auth.Cost{})
//	accounts := auth.NewChecker(passwords, accountByName) // func(context.Context, string) (auth.Account, error)
//	app.Use(session.Sealed(keys), auth.Session(accountByID), auth.Basic("blog", accounts))
//	app.Routes(view.Path("POST /posts/", create, auth.Require("posts.add")))
//
// How accounts are looked up is the application's. The type of its function is the
// colour of the middleware, as with views: with a ctx it is async, without one sync.
//
// Verifying a password takes tens of milliseconds of computing, on purpose. It
// takes a permit of the CPU limiter, whatever the colour of the code that asks, so
// that many logins slow down each other and nothing else; with the limiter's queue
// full they get 503. Nothing here counts failed attempts: that is for whoever sees
// the client's address, in front of it.
package auth
