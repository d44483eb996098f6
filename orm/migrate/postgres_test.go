package migrate_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm/migrate"
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

func TestWhoWaitsInVainLeavesItsSessionAsItWas(t *testing.T) {
	p := place{"postgres", pgtest.URL(t)}
	hold(t, p)
	db := p.db(t)
	db.SetMaxOpenConns(1)
	if _, err := newMigrator(t, db, p, map[string]string{"1_first.sql": first}, migrate.Wait(1)).Up(t.Context()); !errors.Is(err, migrate.ErrLocked) {
		t.Fatalf("%v, want ErrLocked", err)
	}
	var interval string
	if err := db.QueryRowContext(t.Context(), "SHOW client_connection_check_interval").Scan(&interval); err != nil || interval != "0" {
		t.Errorf("got %q, %v", interval, err)
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
