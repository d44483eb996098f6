// Package openapi describes an application to others: OpenAPI 3.1 made of its
// routes, and a page to read it and try it that needs nothing from elsewhere.
//
// The invariant: the document is made of what the routes are, so it cannot be
// older than they are, and the same routes make the same bytes.
//
//	app := view.New()
//	app.Routes(view.Path("POST /posts/", view.JSONView(create, view.Created())))
//	app.Routes(openapi.Routes(app, openapi.Info{Title: "Blog", Version: "1.0"})...)
//
// Routes of typed views are described with parameters, bodies and answers, those
// with [view.Describe] as well; the others with what their patterns say.
// [view.Doc] adds words, or hides a route.
package openapi
