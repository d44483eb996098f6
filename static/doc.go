// Package static serves files: stylesheets, scripts, pictures, a whole page that
// runs in the browser.
//
// The invariant: what is sent is the file that its ETag, its length and its
// Cache-Control speak of, whole or the part that was asked for, from inside of the
// tree; what cannot be sent so is an error or a cut connection, never something that
// looks whole.
//
// [FS] serves a tree that does not change while the program runs, such as an
// embedded one. It is hashed at the start, so that each file has a second name with
// its hash in it, for pages to link to, which browsers keep for ever:
//
//	//go:embed assets
//	var assets embed.FS
//
//	tree, _ := fs.Sub(assets, "assets")
//	files, err := static.FS(tree, static.Options{})
//	…
//	app.Routes(files.Route())
//	href, err := files.URL("app.css") // /static/app.3f2a9c1b.css
//
// [Dir] serves a directory whose files may change; they are looked up anew for each
// request and found again by validators.
//
// Beside a file may lie the same file in a coding, under the name with .br, .zst or
// .gz behind it: it is sent to those who accept the coding.
//
// A request holds no permit. Large files go out by sendfile, where there is no TLS
// and no middleware that looks at the bytes.
package static
