package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// TestTheShopRunsAsItsReadmeSays: go build, and four workers. One of them makes the
// database and fills it; a reload finds it there; a stop ends the job and all else.
func TestTheShopRunsAsItsReadmeSays(t *testing.T) {
	t.Parallel()
	shop := filepath.Join(t.TempDir(), "shop")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", shop)
	build.Dir = "../../examples/shop"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx := within(t) // the build has its own time
	s, _ := serve(ctx, t, 4, harness.Config{Command: []string{shop}})
	must(ctx, t, s, "reload", "--wait")
	if body := ask(ctx, t, s, "/products/?q=tandem"); !strings.Contains(body, `"sku":"bike-2"`) {
		t.Error(body)
	}
	for _, once := range []string{"migrated the database", "filled in the demonstration data"} {
		if n := strings.Count(s.Stderr.String(), once); n != 1 {
			t.Errorf("%q: %d times", once, n)
		}
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}
