package orm

import (
	"maps"
	"net/url"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]location{
		"app.db":                        {dialect: SQLite, path: "app.db"},
		"var/a b?c#d%20.db":             {dialect: SQLite, path: "var/a b?c#d%20.db"},
		"sqlite:app.db":                 {dialect: SQLite, path: "app.db"},
		"sqlite:/srv/app.db?mode=ro":    {dialect: SQLite, path: "/srv/app.db", params: url.Values{"mode": {"ro"}}},
		"file:app.db":                   {dialect: SQLite, path: "app.db"},
		"file:a%20b.db?immutable=1":     {dialect: SQLite, path: "a b.db", params: url.Values{"immutable": {"1"}}},
		"file:/srv/app.db":              {dialect: SQLite, path: "/srv/app.db"},
		"file:///srv/app.db":            {dialect: SQLite, path: "/srv/app.db"},
		"file://localhost/srv/app.db":   {dialect: SQLite, path: "/srv/app.db"},
		"app.db?mode=ro":                {dialect: SQLite, path: "app.db?mode=ro"}, // a path is one
		":memory:":                      {dialect: SQLite, memory: true},
		"sqlite::memory:":               {dialect: SQLite, memory: true},
		"file:any?mode=memory":          {dialect: SQLite, memory: true},
		"file:app.db?_pragma=x(1)":      {dialect: SQLite, path: "app.db", params: url.Values{"_pragma": {"x(1)"}}},
		"postgres://u:p@h/db":           {dialect: PostgreSQL, name: "PostgreSQL h/db"},
		"postgresql://u:p@h:6432/db":    {dialect: PostgreSQL, name: "PostgreSQL h:6432/db"},
		"POSTGRES://h/db":               {dialect: PostgreSQL, name: "PostgreSQL h/db"},
		"postgres:///db?host=/run/pg":   {dialect: PostgreSQL, name: "PostgreSQL /run/pg/db"},
		"postgres://a,b:5433/db?x=y&z=": {dialect: PostgreSQL, name: "PostgreSQL a,b:5433/db"},
	} {
		got, err := parseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		same := maps.EqualFunc(got.params, want.params, func(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") })
		if got.dialect != want.dialect || got.path != want.path || got.memory != want.memory || want.name != "" && got.name != want.name || !same && !want.memory {
			t.Errorf("%s: %+v, want %+v", text, *got, want)
		}
	}
}

func TestURLsThatAreNone(t *testing.T) {
	const known = "the path of a SQLite file, file:path, sqlite:path, :memory: or postgres://user@host/database"
	for text, want := range map[string]string{
		"":                                   "the URL is empty: it is " + known,
		"mysql://u:secret@h/db":              `no database is known by "mysql:": it is ` + known,
		"sqlite:///app.db":                   "sqlite:// is read in two ways: write sqlite:path for a relative path, sqlite:/path for an absolute one",
		"sqlite:":                            "the URL names no file: it is " + known,
		"file:":                              "the URL names no file: it is " + known,
		"file://elsewhere/app.db":            "the file: URL names another host: write file:path or file:///path",
		"file:100%.db":                       "the file: URL cannot be read: a % in the path is written %25",
		"file:app.db?cache=shared":           `parameter "cache" is not known to SQLite's URLs: they take mode, immutable, _pragma`,
		"file:app.db?mode=rx":                `mode="rx" is none: it is ro, rw, rwc or memory`,
		"file:app.db?mode=ro&mode=rw":        `parameter "mode" is given 2 times`,
		"file:app.db?_pragma=x(1)%3BDROP":    `_pragma="x(1);DROP" is none: one is written name(value)`,
		"host=/run dbname=app":               "PostgreSQL is opened by a URL, postgres://user@host/database, not by keywords",
		"postgres://u:se#cret@h/db":          "the postgres:// URL cannot be read: characters such as @ : / ? # % in its password are written %40 %3A %2F %3F %23 %25",
		"postgres:/:secret@":                 "the postgres:// URL cannot be read: characters such as @ : / ? # % in its password are written %40 %3A %2F %3F %23 %25",
		"postgres://u:se/cret@h/db":          "the postgres:// URL cannot be read: characters such as @ : / ? # % in its password are written %40 %3A %2F %3F %23 %25",
		"postgres://u:secret%zz@h/db":        "the postgres:// URL cannot be read: characters such as @ : / ? # % in its password are written %40 %3A %2F %3F %23 %25",
		"postgres://u:secret@h/db?sslmode=x": "the postgres:// URL: failed to configure TLS (sslmode is invalid)",
	} {
		_, err := Open(t.Context(), text)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}

// FuzzURL holds that no URL makes a panic, and that no error repeats its password.
func FuzzURL(f *testing.F) {
	for _, text := range []string{"postgres://u:%s@h/db", "postgres://u:%s@h:port/db", "postgres://u:%s@[::1/db", "mysql://u:%s@h", "file://u:%s@h/x", "u:%s"} {
		f.Add(text, "tops3cret")
	}
	f.Fuzz(func(t *testing.T, text, password string) {
		if len(password) < 8 || strings.Contains(strings.Replace(text, "%s", "", 1)+forms, password) {
			return
		}
		to, err := parseURL(strings.Replace(text, "%s", password, 1))
		switch {
		case err != nil && strings.Contains(err.Error(), ":"+password):
			t.Errorf("%q: %v", text, err)
		case err == nil && to.dialect == PostgreSQL && strings.Contains(to.name, ":"+password+"@"):
			t.Errorf("%q: %s", text, to.name)
		}
	})
}
