package static_test

import (
	"fmt"
	"net/http/httptest"
	"testing/fstest"

	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
)

func Example() {
	tree := fstest.MapFS{"app.css": {Data: []byte("body { margin: 0 }")}} // or an embed.FS
	files, err := static.FS(tree, static.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := view.New()
	app.Routes(files.Route())

	href, err := files.URL("app.css")
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", href, nil))
	fmt.Println(href)
	fmt.Println(w.Header().Get("Cache-Control"))
	fmt.Println(w.Body)
	// Output:
	// /static/app.997facec.css
	// public, max-age=31536000, immutable
	// body { margin: 0 }
}

func ExampleFiles_URL() {
	files, err := static.FS(fstest.MapFS{"js/app.js": {Data: []byte("start()")}}, static.Options{Prefix: "/assets/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(files.URL("js/app.js"))
	_, err = files.URL("js/missing.js")
	fmt.Println(err)
	// Output:
	// /assets/js/app.0c89bb58.js <nil>
	// static: there is no file "js/missing.js" in the tree
}
