package migrate_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
)

func TestTimesAreThoseOfTheDatabasesZone(t *testing.T) {
	p := place{"postgres", pgtest.URL(t)}
	zoned, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := zoned.Query()
	query.Set("timezone", "Asia/Kathmandu")
	zoned.RawQuery = query.Encode()
	p.URL = zoned.String()
	m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first})
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, err := m.Status(t.Context())
	if err != nil || time.Since(status[0].AppliedAt).Abs() > time.Hour {
		t.Errorf("got %v, %v", status, err)
	}
}

func TestWhatAMigrationSetsIsNotLeftBehind(t *testing.T) {
	p := place{"postgres", pgtest.URL(t)}
	db := p.db(t)
	db.SetMaxOpenConns(1)
	setting := "-- +goose Up\nSET statement_timeout = 12345;\n"
	if _, err := newMigrator(t, db, p, map[string]string{"1_x.sql": setting}).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := db.QueryRowContext(t.Context(), "SHOW statement_timeout").Scan(&got); err != nil || got != "0" {
		t.Errorf("got %q, %v", got, err)
	}
}
