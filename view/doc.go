// Package view serves HTTP from functions whose type is their colour.
//
// The invariant: a permit is held only while a sync function runs. It is taken
// after the request's body has arrived and given back before the first byte of
// the response is written, so that a slow client holds none.
//
// A view that takes a [context.Context] is async: it can be cancelled and runs
// on the request's own goroutine. One that takes none is sync: it runs to its end
// inside a permit. A plain net/http handler is async already. A function of any
// other shape does not compile.
//
//	func hello(ctx context.Context, r *view.Request) (view.Response, error) {
//		return view.JSON(map[string]string{"hello": "async"}), nil
//	}
//
//	func classic(r *view.Request) (view.Response, error) {
//		return view.JSON(map[string]string{"hello": "sync"}), nil
//	}
//
//	app := view.New()
//	app.Routes(view.Path("GET /hello/", hello), view.Path("GET /classic/", classic))
//	http.ListenAndServe("127.0.0.1:8000", app)
package view
