package cli

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/scaffold"
)

// What is to be typed next begins with the way there, unless one is there.
func TestNext(t *testing.T) {
	app, err := scaffold.New("/srv/hello", "", scaffold.Origin{Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	const serve = "  make run                         # build, and serve on 127.0.0.1:8000; Ctrl-C ends it\n"
	for dir, want := range map[string]string{
		"hello": "\n\n  cd hello\n" + serve, "my apps/hello": "\n\n  cd 'my apps/hello'\n" + serve, ".": "\n\n" + serve, "./": "\n\n" + serve,
	} {
		if got := next(app, dir); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", dir, got, want)
		}
	}
}
