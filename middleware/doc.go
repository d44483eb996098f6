// Package middleware is a set of ready-made middleware for package view.
//
// The invariant: nothing here adds a crossing between sync and async. What is
// typed is capable of both modes and runs in that of what it wraps, without
// blocking; the rest is net/http's, which runs around all typed middleware.
//
//	app := view.New(middleware.AccessLog(os.Stdout, middleware.Log{Format: middleware.Combined}))
//	app.Use(middleware.RequestID(), middleware.Timing())
//
// What may be set up wrongly is made by a function with an error, which names the
// setting; nothing that is wrong is passed over.
//
// There is no middleware that recovers from panics: view answers them at every
// layer. To hear of them use [view.Observe].
package middleware
