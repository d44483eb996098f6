//go:build load

package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/test/harness"
)

// seeded is how many published posts the demonstration data has.
const seeded = 40

// bloggers are clients that make posts, each with the request's id as its title, and tell which were made.
type bloggers struct {
	mayFail bool // 503s are answers too
	mu      sync.Mutex
	made    map[string]int64 // title to id
	failed  int              // with 503
}

// groups make posts over new connections and kept ones, and read lists beside.
func (b *bloggers) groups() []strict.Group {
	b.made = map[string]int64{}
	writer := strict.Group{
		Target: "/posts/", Clients: 4, ThinkMin: 10 * time.Millisecond, ThinkMax: 50 * time.Millisecond, Check: b.check(b.isMade),
		Accept: b.accept(http.StatusCreated),
		JSON:   func(id string) string { return fmt.Sprintf(`{"title":%q,"tag":%q}`, id, "tag "+id[len(id)-2:]) },
	}
	short, kept := writer, writer
	short.Mode, kept.Mode = strict.Short, strict.Kept
	return []strict.Group{short, kept, {
		Mode: strict.Kept, Clients: 4, Target: "/posts/", ThinkMin: 10 * time.Millisecond, ThinkMax: 50 * time.Millisecond, Check: b.check(isList),
		Accept: b.accept(http.StatusOK),
	}}
}

func (b *bloggers) accept(want int) func(int) bool {
	return func(status int) bool { return status == want || b.mayFail && status == http.StatusServiceUnavailable }
}

// check looks at answers that are no 503s, which have to say when to come again.
func (b *bloggers) check(good func(strict.Answer) error) func(strict.Answer) error {
	return func(a strict.Answer) error {
		if a.Status != http.StatusServiceUnavailable {
			return good(a)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.failed++
		if a.Header.Get("Retry-After") == "" {
			return fmt.Errorf("a 503 without Retry-After: %.200s", a.Body)
		}
		return nil
	}
}

// counts are how many posts were made and how many requests failed until now.
func (b *bloggers) counts() (made, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.made), b.failed
}

// isMade accepts the very post that was sent.
func (b *bloggers) isMade(a strict.Answer) error {
	var post struct {
		ID    int64
		Title string
	}
	if err := json.Unmarshal(a.Body, &post); err != nil || post.Title != a.ID || post.ID == 0 {
		return fmt.Errorf("not the post %s: %.200s (%w)", a.ID, a.Body, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made[post.Title] = post.ID
	return nil
}

// list is an answer of /posts/.
type list struct {
	Posts []struct {
		ID    int64
		Title string
	}
	Count, Page int
	Next        *int
}

func isList(a strict.Answer) error {
	var l list
	if err := json.Unmarshal(a.Body, &l); err != nil || len(l.Posts) != 20 || l.Page != 1 || l.Count < seeded {
		return fmt.Errorf("not a list of posts: %.200s (%w)", a.Body, err)
	}
	return nil
}

// published reads all pages of posts, and fails the test if one is there twice.
func published(ctx context.Context, t *testing.T, addr string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for page := 1; ; page++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/posts/?page=%d", addr, page), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var l list
		err = json.NewDecoder(resp.Body).Decode(&l)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("page %d: %s, %v", page, resp.Status, err)
		}
		for _, post := range l.Posts {
			if all[post.Title] != 0 {
				t.Errorf("%q is listed twice", post.Title)
			}
			all[post.Title] = post.ID
		}
		if l.Next == nil {
			if len(all) != l.Count {
				t.Errorf("%d posts on %d pages, said are %d", len(all), page, l.Count)
			}
			return all
		}
	}
}

// kept fails the test unless what was answered as made is there, and of the rest no more than unanswered.
func (b *bloggers) kept(t *testing.T, found map[string]int64, unanswered int) {
	t.Helper()
	for title, id := range b.made {
		if found[title] != id {
			t.Errorf("the post %s was made with the id %d, found is %d", title, id, found[title])
		}
	}
	if more := len(found) - len(b.made) - seeded; more < 0 || more > unanswered {
		t.Errorf("%d posts, of which %d are the demonstration's and %d were answered as made; %d requests have had no answer", len(found), seeded, len(b.made), unanswered)
	}
	t.Logf("%d posts were made", len(b.made))
}

// TestPostsOverReloads begins in an empty folder, so one of four workers makes and fills the database. Over five reloads
// each post that a client makes is made once.
func TestPostsOverReloads(t *testing.T) {
	ctx := within(t)
	s, _ := serve(ctx, t, 4, harness.Config{})
	if n := len(published(ctx, t, s.Addr)); n != seeded {
		t.Fatalf("it begins with %d posts, want %d", n, seeded)
	}
	var b bloggers
	run := begin(ctx, t, strict.Load{Addr: s.Addr, Duration: limit, Timeout: 15 * time.Second, Groups: b.groups()})
	for range 5 {
		must(ctx, t, s, "reload", "--wait")
		flow(ctx, t, run, 50)
	}
	faultless(t, run.Stop())
	b.kept(t, published(ctx, t, s.Addr), 0)
}

// TestKilledWorkersLeaveNoHalfPosts kills workers while posts are made: each is there with its tag, or not at all.
func TestKilledWorkersLeaveNoHalfPosts(t *testing.T) {
	ctx := within(t)
	const workers = 4
	s, st := serve(ctx, t, workers, harness.Config{})
	var b bloggers
	run := begin(ctx, t, strict.Load{Addr: s.Addr, Duration: limit, Timeout: 15 * time.Second, Groups: b.groups()})
	for range 8 {
		victim := st.Ready()[rand.IntN(workers)]
		if err := harness.Kill(victim.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		var err error
		if st, err = s.Await(ctx, "the replacement of a killed worker", func(st harness.Status) bool {
			return len(st.Ready()) == workers && !slices.Contains(harness.PIDs(st.Workers), victim.PID)
		}); err != nil {
			t.Fatal(err)
		}
		flow(ctx, t, run, 50)
	}
	rep := run.Stop()
	t.Logf("%s", rep)
	lost := rep.Counts[strict.Lost]
	if bad := rep.Counts[strict.Wrong] + rep.Counts[strict.Doubled] + rep.Counts[strict.Fault]; bad > 0 {
		t.Errorf("%d answers were wrong", bad)
	}
	b.kept(t, published(ctx, t, s.Addr), lost)

	db, err := orm.Open(ctx, filepath.Join(s.Dir, "var", "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var half int
	const untagged = "SELECT count(*) FROM posts WHERE id NOT IN (SELECT post_id FROM post_tags)"
	if err := db.SQL().QueryRowContext(ctx, untagged).Scan(&half); err != nil || half != 0 {
		t.Errorf("%d posts have no tag, %v", half, err)
	}
	var whole string
	if err := db.SQL().QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("the file is %s, %v", whole, err)
	}
}

// TestPostgreSQLGoesAndComes stops the server under a load: clients see 503s and nothing else, and when it is back they
// are served by the same processes as before.
func TestPostgreSQLGoesAndComes(t *testing.T) {
	server := pgtest.Start(t)
	ctx := within(t)
	env := []string{"APP_DATABASE_URL=" + server.URL()}
	for _, do := range []string{"migrate", "seed"} {
		if res, err := harness.Run(ctx, filepath.Join(bin, "app"), t.TempDir(), env, do); err != nil || res.Code != 0 {
			t.Fatalf("app %s: exit %d, %v\n%s", do, res.Code, err, res.Stderr)
		}
	}
	s, before := serve(ctx, t, 4, harness.Config{Env: env})
	b := bloggers{mayFail: true}
	run := begin(ctx, t, strict.Load{Addr: s.Addr, Duration: limit, Timeout: 15 * time.Second, Groups: b.groups()})
	for range 2 {
		_, failed := b.counts()
		server.Stop()
		if err := harness.Poll(ctx, "requests to fail", func() bool { _, now := b.counts(); return now > failed+50 }); err != nil {
			t.Fatal(err)
		}
		made, _ := b.counts()
		server.Start()
		if err := harness.Poll(ctx, "posts to be made again", func() bool { now, _ := b.counts(); return now > made+50 }); err != nil {
			t.Fatal(err)
		}
	}
	faultless(t, run.Stop())
	_, failed := b.counts()
	b.kept(t, published(ctx, t, s.Addr), failed)
	if st, err := s.Ready(ctx, 4); err != nil || !sameProcesses(before.Workers, st.Workers) {
		t.Errorf("workers were %v, are %v, %v", harness.PIDs(before.Workers), harness.PIDs(st.Workers), err)
	}
}
