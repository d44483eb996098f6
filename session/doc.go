// Package session keeps a few values for a browser from one request to the next.
//
// The invariant: what a request reads is what a holder of the keys wrote for that
// cookie's name, unchanged and not expired, or nothing. Workers share no memory, so
// the session is in the cookie itself, sealed: encrypted and authenticated. Every
// worker that has the keys can read it, also after a reload.
//
//	keys, err := session.NewKeys(os.Getenv("SESSION_KEY")) // openssl rand -base64 32
//	app.Use(session.Sealed(keys))
//
//	err := session.Set(r, "basket", basket)        // in a view of either colour
//	basket, ok := session.Get[Basket](r, "basket")
//
// A cookie is bounded to 4 KiB, and what is in it cannot be taken back: a copy of an
// older cookie is good until it expires, and of two requests at once the one that
// answers last decides. Where that does not do, [Stored] and [StoredSync] keep the
// values in a store, behind the same functions, and only an id in the cookie.
package session
