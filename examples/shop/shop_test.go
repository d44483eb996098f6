package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// site is a shop that is served, with the demonstration data in a database of the test's own.
type site struct {
	*shop
	url string

	mu       sync.Mutex
	outcomes map[string]view.Outcome // by the request's id
}

// databases are where tests run: a SQLite file, and PostgreSQL where TEST_DATABASE_URL names a database of one's own.
var databases = map[string]func(*testing.T) (url string){
	"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "shop.db") },
	"postgres": postgres,
}

// onEach runs a test on each of them.
func onEach(t *testing.T, test func(t *testing.T, s *site)) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) { test(t, start(t, database(t))) })
	}
}

// postgres is the URL of an empty schema, which is as good as a database and takes no right to make one.
func postgres(t *testing.T) string {
	t.Helper()
	server, err := url.Parse(os.Getenv("TEST_DATABASE_URL"))
	if err != nil {
		t.Fatal("TEST_DATABASE_URL is no URL")
	}
	if server.String() == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	db, err := orm.Open(t.Context(), server.String())
	if err != nil {
		t.Fatal(err)
	}
	schema := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	if _, err := db.SQL().ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := db.SQL().ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		if err != nil {
			t.Error(err)
		}
		closed(t, db)
	})
	query := server.Query()
	query.Set("search_path", schema)
	server.RawQuery = query.Encode()
	return server.String()
}

var schemas atomic.Int64

func closed(t *testing.T, db *orm.DB) {
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// start serves a shop. Several of one database are as several workers.
func start(t *testing.T, databaseURL string) *site {
	t.Helper()
	set, err := loadSettings(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	set.Passwords = auth.Cost{Memory: 1024, Passes: 1} // tests need not wait for what attackers should
	db, err := openDatabase(t.Context(), databaseURL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, db) })
	s := &site{outcomes: map[string]view.Outcome{}}
	s.shop, err = newShop(t.Context(), db, set, view.Logger(slog.New(slog.DiscardHandler)), view.Observe(s.observe))
	if err == nil {
		_, err = s.seed(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.poll = time.Millisecond
	server := httptest.NewServer(s.app)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *site) observe(r *view.Request, o view.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[r.ID()] = o
}

// client is a browser or a program: it keeps its cookies.
type client struct {
	t    *testing.T
	site *site
	http *http.Client

	header map[string]string // of each request, besides
}

var requests atomic.Int64

// as is a client that has logged in; of no name, one that has not.
func (s *site) as(t *testing.T, name string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, site: s, http: &http.Client{Jar: jar}}
	t.Cleanup(c.http.CloseIdleConnections)
	if name != "" {
		c.ask("POST", "/login/", fmt.Sprintf(`{"name":%q,"password":"%s's demo password"}`, name, name)).is(200)
	}
	return c
}

// answer is what came back, whole.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
	made   view.Outcome
}

func (c *client) ask(method, target, body string) answer {
	c.t.Helper()
	return c.send(method, target, "application/json", strings.NewReader(body))
}

func (c *client) send(method, target, kind string, body io.Reader) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.site.url+target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	id := fmt.Sprintf("test-%d", requests.Add(1))
	req.Header.Set("Content-Type", kind)
	req.Header.Set("X-Request-Id", id)
	for key, value := range c.header {
		req.Header.Set(key, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	c.site.mu.Lock()
	defer c.site.mu.Unlock()
	return answer{c.t, method + " " + target, resp.StatusCode, resp.Header, string(all), c.site.outcomes[id]}
}

// is fails the test unless the status is the one that is wanted, and the body the JSON that is wanted, if there is one.
func (a answer) is(status int, body ...string) answer {
	a.t.Helper()
	if a.status != status || len(body) > 0 && a.body != body[0] {
		a.t.Fatalf("%s: %d %s\nwant %d %s", a.what, a.status, a.body, status, body)
	}
	return a
}

// took fails the test unless the answer took so many queries.
func (a answer) took(queries int) answer {
	a.t.Helper()
	if a.made.Queries != queries {
		a.t.Errorf("%s took %d queries, want %d", a.what, a.made.Queries, queries)
	}
	return a
}

// refuses fails the test unless the answer says that these fields are wrong, and no others.
func (a answer) refuses(fields ...string) {
	a.t.Helper()
	a.is(422)
	var got []string
	for _, field := range read[view.ErrorBody](a).Fields {
		got = append(got, field.Field)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		a.t.Errorf("%s: %v are wrong, want %v", a.what, got, fields)
	}
}

// read reads the answer's JSON.
func read[T any](a answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

// stock is how many there are of a product.
func (s *site) stock(t *testing.T, sku string) int64 {
	t.Helper()
	stock, err := s.stocks.Filter("Product.sku = ?", sku).One(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stock.Quantity
}
