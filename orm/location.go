package orm

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// location is what a URL names.
type location struct {
	dialect string
	name    string // for people: no password, no parameters

	postgres string // the URL, for pgx

	path   string     // of the SQLite file
	memory bool       // SQLite without a file
	params url.Values // of the SQLite URL
}

var schemeOf = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// pragmaValue is one PRAGMA and no more: the driver runs what it is given.
var pragmaValue = regexp.MustCompile(`^[A-Za-z_]+(\([A-Za-z0-9_+.-]+\)|=[A-Za-z0-9_+.-]+)$`)

// forms are the URLs there are.
const forms = "the path of a SQLite file, file:path, sqlite:path, :memory: or postgres://user@host/database"

// parseURL reads a URL. Its errors never have the URL's text in them, which may
// hold a password.
func parseURL(text string) (*location, error) {
	rest := func(prefix string) string { return strings.TrimPrefix(text, prefix) }
	switch scheme := strings.ToLower(schemeOf.FindString(text)); {
	case text == "":
		return nil, errors.New("the URL is empty: it is " + forms)
	case text == ":memory:", text == "sqlite::memory:", text == "file::memory:":
		return &location{dialect: SQLite, name: "SQLite in memory", memory: true}, nil
	case scheme == "postgres:", scheme == "postgresql:":
		return postgresLocation(scheme + text[len(scheme):])
	case scheme == "sqlite:" && strings.HasPrefix(rest(scheme), "//"):
		return nil, errors.New("sqlite:// is read in two ways: write sqlite:path for a relative path, sqlite:/path for an absolute one")
	case scheme == "sqlite:":
		path, query, _ := strings.Cut(text[len(scheme):], "?")
		return sqliteLocation(path, query)
	case scheme == "file:":
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("the file: URL cannot be read: a % in the path is written %25")
		}
		if u.Host != "" && u.Host != "localhost" {
			return nil, errors.New("the file: URL names another host: write file:path or file:///path")
		}
		path := u.Path
		if u.Opaque != "" {
			if path, err = url.PathUnescape(u.Opaque); err != nil {
				return nil, errors.New("the file: URL cannot be read: a % in the path is written %25")
			}
		}
		return sqliteLocation(path, u.RawQuery)
	case scheme != "":
		return nil, fmt.Errorf("no database is known by %q: it is %s", scheme, forms)
	case strings.HasPrefix(text, "host="), strings.HasPrefix(text, "dbname="), strings.HasPrefix(text, "user="):
		return nil, errors.New("PostgreSQL is opened by a URL, postgres://user@host/database, not by keywords")
	}
	return sqliteLocation(text, "")
}

func postgresLocation(text string) (*location, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") || strings.Contains(u.Path, "@") { // what it names could be the password
		return nil, errors.New("the postgres:// URL cannot be read: characters such as @ : / ? # % in its password are written %40 %3A %2F %3F %23 %25")
	}
	host := u.Host
	if of := u.Query().Get("host"); of != "" {
		host = of
	}
	if host == "" {
		host = "localhost"
	}
	return &location{dialect: PostgreSQL, name: "PostgreSQL " + host + "/" + strings.TrimPrefix(u.Path, "/"), postgres: text}, nil
}

func sqliteLocation(path, query string) (*location, error) {
	if path == "" {
		return nil, errors.New("the URL names no file: it is " + forms)
	}
	if strings.ContainsRune(path, 0) {
		return nil, errors.New("the path has a byte 0 in it")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the parameters behind the ? cannot be read")
	}
	for name, values := range params {
		switch name {
		case "mode", "immutable":
			if len(values) > 1 {
				return nil, fmt.Errorf("parameter %q is given %d times", name, len(values))
			}
		case "_pragma":
			for _, v := range values {
				if !pragmaValue.MatchString(v) {
					return nil, fmt.Errorf("_pragma=%.60q is none: one is written name(value)", v)
				}
			}
		default:
			return nil, fmt.Errorf("parameter %.60q is not known to SQLite's URLs: they take mode, immutable, _pragma", name)
		}
	}
	switch mode := params.Get("mode"); mode {
	case "", "ro", "rw", "rwc":
	case "memory":
		return &location{dialect: SQLite, name: "SQLite in memory", memory: true, params: url.Values{"_pragma": params["_pragma"]}}, nil
	default:
		return nil, fmt.Errorf("mode=%.20q is none: it is ro, rw, rwc or memory", mode)
	}
	return &location{dialect: SQLite, name: "SQLite file " + path, path: path, params: params}, nil
}
