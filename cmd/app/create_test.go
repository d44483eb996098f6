package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// post sends a post to be made, as JSON.
func post(t *testing.T, server *httptest.Server, body string) (*http.Response, string) {
	t.Helper()
	return ask(t, server, "POST", "/posts/", body, "Content-Type", "application/json")
}

// rowCounts is how many rows each table has.
type rowCounts struct{ posts, tags, postTags int }

func tallied(t *testing.T, db *orm.DB) (n rowCounts) {
	t.Helper()
	const query = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM tags), (SELECT count(*) FROM post_tags)"
	if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&n.posts, &n.tags, &n.postTags); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAPostIsMadeWithItsTag(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		db := openMigrated(t, s.DatabaseURL)
		for i, test := range []struct {
			body, want string // want: behind the id
			queries    int
			more       rowCounts
		}{
			{`{"title":"Riding"}`, `"title":"Riding","author":null,"tag":null,"published":true}`, 1, rowCounts{1, 0, 0}},
			{`{"title":" Riding in tandem\u00a0","tag":" new "}`, `"title":"Riding in tandem","author":null,"tag":"new","published":true}`, 4, rowCounts{1, 1, 1}},
			{`{"title":"Again","tag":"new"}`, `"title":"Again","author":null,"tag":"new","published":true}`, 3, rowCounts{1, 0, 1}},
			{
				`{"title":"Entwürfe","body":"One\n\ttwo\r\n","published":false,"author":2,"tag":"howto"}`,
				`"title":"Entwürfe","author":"Bela Stern","tag":"howto","published":false}`, 4,
				rowCounts{1, 0, 1},
			},
			{`{"title":"` + strings.Repeat("ü", 200) + `","tag":null,"author":null}`, `"title":"` + strings.Repeat("ü", 200) + `","author":null,"tag":null,"published":true}`, 1, rowCounts{1, 0, 0}},
		} {
			before := tallied(t, db)
			id := 51 + i
			resp, body := post(t, server, test.body)
			if want := fmt.Sprintf(`{"id":%d,%s`, id, test.want); resp.StatusCode != http.StatusCreated || body != want || counted(t, resp) != test.queries {
				t.Fatalf("%s: %s after %d queries\n%s\nwant %s after %d", test.body, resp.Status, counted(t, resp), body, want, test.queries)
			}
			before.posts, before.tags, before.postTags = before.posts+test.more.posts, before.tags+test.more.tags, before.postTags+test.more.postTags
			if got := tallied(t, db); got != before {
				t.Errorf("%s: rows are %+v, want %+v", test.body, got, before)
			}
			location := resp.Header.Get("Location")
			if want := fmt.Sprintf("/posts/%d/", id); location != want {
				t.Errorf("%s: it is at %q, want %q", test.body, location, want)
			}
			if resp, body := ask(t, server, "GET", location, ""); resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, fmt.Sprintf(`{"id":%d,"title":`, id)) {
				t.Errorf("%s: then it is %s %s", test.body, resp.Status, body)
			}
		}
		// What was made is the newest; the draft is not listed.
		_, body := ask(t, server, "GET", "/posts/", "")
		var ids []int64
		for _, post := range read[page](t, body).Posts[:5] {
			ids = append(ids, post.ID)
		}
		if want := []int64{55, 53, 52, 51, 49}; !slices.Equal(ids, want) {
			t.Errorf("listed are %v, want %v", ids, want)
		}
		posts, err := orm.For[Post](db).Filter("Tags.name = ? AND published", "new").Order("id").List(t.Context())
		if err != nil || len(posts) != 2 || posts[0].ID != 52 || posts[1].ID != 53 {
			t.Errorf("tagged new: %+v, %v", posts, err)
		}
		draft, err := orm.For[Post](db).Related("Author").Get(t.Context(), 54)
		if err != nil || draft.Body != "One\n\ttwo\r\n" || draft.Author.Must().Name != "Bela Stern" || draft.CreatedAt.IsZero() {
			t.Errorf("stored is %+v, %v", draft, err)
		}
	})
}

func TestAPostThatIsWrongIsRefusedFieldByField(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		db := openMigrated(t, s.DatabaseURL)
		before := tallied(t, db)
		for body, fields := range map[string][]string{
			`{}`:                                           {"title"},
			`null`:                                         {""},
			`[]`:                                           {""},
			`{"title":""}`:                                 {"title"},
			`{"title":" \u00a0\u2003"}`:                    {"title"},
			`{"title":null}`:                               {"title"},
			`{"title":7}`:                                  {"title"},
			`{"title":"a\u0000b"}`:                         {"title"},
			`{"title":"two\nlines"}`:                       {"title"},
			`{"title":"a","title":"b"}`:                    {"title"},
			`{"Title":"a"}`:                                {"Title", "title"},
			`{"title":"a","slug":"a"}`:                     {"slug"},
			`{"title":"a","body":"a\u0000b"}`:              {"body"},
			`{"title":"a","body":["a"]}`:                   {"body"},
			`{"title":"a","published":"yes"}`:              {"published"},
			`{"title":"a","tag":" "}`:                      {"tag"},
			`{"title":"a","tag":["a"]}`:                    {"tag"},
			`{"title":"a","author":"Ada"}`:                 {"author"},
			`{"title":"a","author":1.5}`:                   {"author"},
			`{"title":"a","author":6}`:                     {"author"},
			`{"title":"a","author":0}`:                     {"author"},
			`{"title":"a","author":-1}`:                    {"author"},
			`{"title":"a","author":9007199254740993}`:      {"author"},
			`{"title":"a","author":1e400}`:                 {"author"},
			`{"title":"","tag":7,"author":"x"}`:            {"author", "tag", "title"},
			`{"title":"` + strings.Repeat("ü", 201) + `"}`: {"title"},
			`{"title":"a","tag":"` + strings.Repeat("ü", 51) + `"}`:      {"tag"},
			`{"title":"a","body":"` + strings.Repeat("x", 50_001) + `"}`: {"body"},
		} {
			resp, answer := post(t, server, body)
			said := read[failure](t, answer)
			var got []string
			for _, f := range said.Fields {
				got = append(got, f.Field)
				if f.In != "body" || f.Message == "" {
					t.Errorf("%.60s: %s", body, answer)
				}
			}
			slices.Sort(got)
			if resp.StatusCode != http.StatusUnprocessableEntity || said.Code != "invalid" || !slices.Equal(got, fields) {
				t.Errorf("%.60s: %s, fields %q, want %q\n%s", body, resp.Status, got, fields, answer)
			}
		}
		for _, test := range []struct {
			body, kind string
			status     int
		}{
			{`{"title":`, "application/json", 400},
			{"{\"title\":\"\xff\"}", "application/json", 400},
			{`title=Riding`, "application/x-www-form-urlencoded", 415},
			{`{"title":"` + strings.Repeat("x", 11<<20) + `"}`, "application/json", 413},
		} {
			if resp, answer := ask(t, server, "POST", "/posts/", test.body, "Content-Type", test.kind); resp.StatusCode != test.status {
				t.Errorf("%.20s as %s: %s, want %d\n%.200s", test.body, test.kind, resp.Status, test.status, answer)
			}
		}
		if got := tallied(t, db); got != before {
			t.Errorf("rows are %+v, were %+v", got, before)
		}
	})
}

// A tag that cannot be related leaves no post behind: the transaction is of both.
func TestAPostWithoutItsTagIsNoPost(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		db := openMigrated(t, s.DatabaseURL)
		if _, err := db.SQL().ExecContext(t.Context(), "ALTER TABLE post_tags RENAME TO elsewhere"); err != nil {
			t.Fatal(err)
		}
		resp, body := post(t, server, `{"title":"Half","tag":"never"}`)
		if resp.StatusCode != http.StatusInternalServerError || read[failure](t, body).Error != "Internal Server Error" {
			t.Errorf("%s %s", resp.Status, body)
		}
		var n int
		const query = "SELECT (SELECT count(*) FROM posts WHERE title = 'Half') + (SELECT count(*) FROM tags WHERE name = 'never')"
		if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows are left, %v", n, err)
		}
	})
}

func TestManyWhoWantANewTagAtOnceGetOne(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		db := openMigrated(t, s.DatabaseURL)
		before := tallied(t, db)
		const n = 50
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if resp, body := post(t, server, fmt.Sprintf(`{"title":"Post %d","tag":"at once"}`, i)); resp.StatusCode != http.StatusCreated {
					t.Errorf("post %d: %s %s", i, resp.Status, body)
				}
			})
		}
		all.Wait()
		want := rowCounts{before.posts + n, before.tags + 1, before.postTags + n}
		if got := tallied(t, db); got != want {
			t.Errorf("rows are %+v, want %+v", got, want)
		}
	})
}

// A page of another site cannot make posts in the name of whoever looks at it.
func TestOtherSitesMakeNoPosts(t *testing.T) {
	s := newSettings()
	server := startSite(t, s)
	resp, body := ask(t, server, "POST", "/posts/", `{"title":"a"}`, "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// What a client has given up is not made.
func TestAPostWhoseClientHasGoneIsNotMade(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		db := openMigrated(t, u)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "POST", "/posts/", strings.NewReader(`{"title":"a","tag":"b"}`))
		r.Header.Set("Content-Type", "application/json")
		newSite(newSettings(), nil, db).app.ServeHTTP(httptest.NewRecorder(), r)
		if got := tallied(t, db); got != (rowCounts{}) {
			t.Errorf("rows are %+v", got)
		}
	})
}
