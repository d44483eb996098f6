package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// TestOneWorkerMakesTheDefaultDatabase: one migrates and fills it, and the others
// wait. Those of later generations find it there.
func TestOneWorkerMakesTheDefaultDatabase(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 4, harness.Config{Args: []string{"--workers", "4"}})
	must(ctx, t, s, "reload", "--wait")
	for _, done := range []string{"migrated the default database", "filled the default database"} {
		if n := strings.Count(s.Stderr.String(), done); n != 1 {
			t.Errorf("%q: %d times", done, n)
		}
	}
	if missing(filepath.Join(s.Dir, "var", "app.db")) {
		t.Error("var/app.db is not there")
	}
}

// TestAReloadWaitsForMigrations: workers of a new generation whose database lacks
// migrations fail, and the old ones serve on. Once it is migrated the same reload
// succeeds.
func TestAReloadWaitsForMigrations(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	env := writeFile(t, filepath.Join(dir, "app.env"), "", 0o600)
	s, before := serve(ctx, t, 2, harness.Config{Dir: dir, Args: []string{"--workers", "2", "--env-file", env}})
	migrate := func(word, want string) {
		t.Helper()
		res, err := harness.Run(ctx, filepath.Join(bin, "app"), dir, []string{"APP_DATABASE_URL=mine.db"}, "migrate", word)
		if err != nil || res.Code != 0 || !strings.Contains(res.Stdout, want) {
			t.Fatalf("app migrate %s: exit %d, %v\n%s%s", word, res.Code, err, res.Stdout, res.Stderr)
		}
	}
	migrate("up", "applied 00002_indexes.sql")
	migrate("down", "took back 00002_indexes.sql")

	writeFile(t, env, "APP_DATABASE_URL=mine.db\n", 0o600)
	const says = "migrations are pending: 00002_indexes.sql; `app migrate` applies them"
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, says) {
		t.Errorf("reload: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	for i, w := range ready(ctx, t, s, 2).Ready() {
		if was := before.Ready()[i]; w.PID != was.PID {
			t.Errorf("worker %d has become %d", was.PID, w.PID)
		}
	}
	migrate("up", "applied 00002_indexes.sql")
	must(ctx, t, s, "reload", "--wait")
}
