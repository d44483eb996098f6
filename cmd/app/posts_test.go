package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eachSite runs a test with the demonstration data on each kind of database, in each profile.
func eachSite(t *testing.T, test func(t *testing.T, s settings)) {
	for _, class := range []workerClass{mixed, syncOnly} {
		t.Run(string(class), func(t *testing.T) {
			onEach(t, func(t *testing.T, u databaseURL) {
				s := newSettings()
				s.DatabaseURL, s.WorkerClass, s.ServerTiming = u, class, true
				test(t, s)
			})
		})
	}
}

// counted is how many queries an answer says it took.
func counted(t *testing.T, resp *http.Response) int {
	t.Helper()
	said := resp.Header.Get("Server-Timing")
	if said == "" {
		t.Fatal("no Server-Timing")
	}
	found := regexp.MustCompile(`db;[^,]*desc="(\d+) quer`).FindStringSubmatch(said)
	if found == nil {
		return 0
	}
	n := 0
	if _, err := fmt.Sscan(found[1], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// failure is the JSON of an answer that is an error.
type failure struct {
	Error, Code string
	RequestID   string `json:"request_id"`
	Fields      []struct{ In, Field, Message string }
}

// read reads JSON in which nothing is unknown.
func read[T any](t *testing.T, body string) (v T) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// demoPage is the ids of the published posts on a page of the demonstration data: every fifth is a draft.
func demoPage(number int) []int64 {
	var ids []int64
	for id := int64(50); id > 0; id-- {
		if id%5 != 0 {
			ids = append(ids, id)
		}
	}
	return ids[(number-1)*pageSize:][:pageSize]
}

func TestPostsAreListedByPages(t *testing.T) {
	one, two := 1, 2
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		for _, test := range []struct {
			query      string
			page       int
			prev, next *int
		}{{"", 1, nil, &two}, {"?page=1", 1, nil, &two}, {"?page=2&utm=x", 2, &one, nil}} {
			resp, body := ask(t, server, "GET", "/posts/"+test.query, "")
			if resp.StatusCode != http.StatusOK || counted(t, resp) != 2 {
				t.Fatalf("%q: %s after %d queries\n%s", test.query, resp.Status, counted(t, resp), body)
			}
			got := read[page](t, body)
			var ids []int64
			for _, post := range got.Posts {
				ids = append(ids, post.ID)
				topics := len(demoTopics)
				if want := fmt.Sprintf(demoTitles[(post.ID-1)/int64(topics)], demoTopics[(post.ID-1)%int64(topics)]); post.Title != want {
					t.Errorf("%q: post %d is %q, want %q", test.query, post.ID, post.Title, want)
				}
			}
			if want := demoPage(test.page); !slices.Equal(ids, want) {
				t.Errorf("%q: posts %v, want %v", test.query, ids, want)
			}
			got.Posts = nil
			if g, w := asJSON(t, got), asJSON(t, page{Page: test.page, Pages: 2, Count: 40, Previous: test.prev, Next: test.next}); g != w {
				t.Errorf("%q: got %s, want %s", test.query, g, w)
			}
			twin, same := ask(t, server, "GET", "/posts/sync/"+test.query, "")
			if twin.StatusCode != http.StatusOK || same != body || counted(t, twin) != 2 {
				t.Errorf("%q: the sync twin answers %s after %d queries\n%s", test.query, twin.Status, counted(t, twin), same)
			}
		}
	})
}

func TestPagesOfNoPosts(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		s := newSettings()
		s.DatabaseURL = u
		server := startSite(t, s)
		if _, err := openMigrated(t, u).SQL().ExecContext(t.Context(), "DELETE FROM posts"); err != nil {
			t.Fatal(err)
		}
		for _, list := range []string{"/posts/", "/posts/sync/"} {
			if _, body := ask(t, server, "GET", list, ""); body != `{"posts":[],"page":1,"pages":1,"count":0,"previous":null,"next":null}` {
				t.Errorf("%s: %s", list, body)
			}
			if resp, body := ask(t, server, "GET", list+"?page=2", ""); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s?page=2: %s %s", list, resp.Status, body)
			}
		}
	})
}

func TestAPostAndItsAuthorAreOneQuery(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		if _, err := openMigrated(t, s.DatabaseURL).SQL().ExecContext(t.Context(), "INSERT INTO posts (id, title) VALUES (100, 'Nobody''s')"); err != nil {
			t.Fatal(err)
		}
		for target, want := range map[string]string{
			"/posts/1/":   `{"id":1,"title":"An introduction to views that wait","author":"Ada Brook"}`,
			"/posts/1":    `{"id":1,"title":"An introduction to views that wait","author":"Ada Brook"}`,
			"/posts/5/":   `{"id":5,"title":"An introduction to crossings","author":"Emil Novak"}`, // a draft
			"/posts/100/": `{"id":100,"title":"Nobody's","author":null}`,
		} {
			resp, body := ask(t, server, "GET", target, "")
			if resp.StatusCode != http.StatusOK || body != want || counted(t, resp) != 1 {
				t.Errorf("%s: %s after %d queries\n%s\nwant %s", target, resp.Status, counted(t, resp), body, want)
			}
		}
	})
}

func TestPostsThatAreNotThere(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		for _, test := range []struct {
			target  string
			status  int
			queries int
		}{
			{"/posts/?page=3", 404, 1},
			{"/posts/?page=0", 404, 1},
			{"/posts/?page=-1", 404, 1},
			{"/posts/?page=9223372036854775807", 404, 1},
			{"/posts/sync/?page=3", 404, 1},
			{"/posts/?page=two", 422, 0},
			{"/posts/?page=1.5", 422, 0},
			{"/posts/?page=", 422, 0},
			{"/posts/sync/?page=two", 422, 0},
			{"/posts/51/", 404, 1},
			{"/posts/0/", 404, 1},
			{"/posts/-1/", 404, 1},
			{"/posts/9223372036854775807/", 404, 1},
			{"/posts/9223372036854775808/", 404, 0},
			{"/posts/one/", 404, 0},
			{"/posts/1'--/", 404, 0},
			{"/posts/%00/", 404, 0},
			{"/posts/51/lazy/", 404, 1},
			{"/posts/one/lazy/", 404, 0},
			{"/posts/1/more/", 404, 0},
		} {
			resp, body := ask(t, server, "GET", test.target, "")
			if resp.StatusCode != test.status || counted(t, resp) != test.queries {
				t.Errorf("%s: %s after %d queries, want %d after %d\n%s", test.target, resp.Status, counted(t, resp), test.status, test.queries, body)
			}
			said := read[failure](t, body)
			if said.RequestID == "" || test.status == 404 && !strings.EqualFold(said.Error, "not found") {
				t.Errorf("%s: %s", test.target, body)
			}
			if test.status == 422 && (len(said.Fields) != 1 || said.Fields[0].In != "query" || said.Fields[0].Field != "page") {
				t.Errorf("%s: %s", test.target, body)
			}
		}
	})
}

func TestARelationThatWasNotLoadedIsAnErrorThatSaysSo(t *testing.T) {
	eachSite(t, func(t *testing.T, s settings) {
		server := startSite(t, s)
		if _, err := openMigrated(t, s.DatabaseURL).SQL().ExecContext(t.Context(), "INSERT INTO posts (id, title) VALUES (100, 'Nobody''s')"); err != nil {
			t.Fatal(err)
		}
		for target, relation := range map[string]string{"/posts/1/lazy/": "Author", "/posts/100/lazy/": "Tags"} {
			resp, body := ask(t, server, "GET", target, "")
			want := fmt.Sprintf(`orm: Post.%[1]s was not loaded, and its row came from async code: sync-only, and used from async code: `+
				`add Related("%[1]s") to the query of Post, or call Load(ctx)`, relation)
			if got := read[failure](t, body).Error; resp.StatusCode != http.StatusInternalServerError || got != want || counted(t, resp) != 1 {
				t.Errorf("%s: %s after %d queries\n%s\nwant %s", target, resp.Status, counted(t, resp), got, want)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("%s: it is %s", target, got)
			}
		}
	})
}
