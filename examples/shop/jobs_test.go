package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func TestOrdersExpireThatNobodyPays(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		for i := range 3 {
			id := read[order](bo.ask("POST", "/orders/", buy("bell", 1)).is(201)).ID
			if i == 0 {
				bo.ask("POST", fmt.Sprintf("/orders/%d/pay/", id), "").is(200)
			}
		}
		for _, test := range []struct {
			before time.Time
			want   int
		}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 2}, {time.Now().Add(time.Hour), 0}} {
			if n, err := s.expire(t.Context(), test.before); err != nil || n != test.want {
				t.Errorf("%d have expired, %v, want %d", n, err, test.want)
			}
		}
		if left := s.stock(t, "bell"); left != 39 {
			t.Errorf("%d bells are left, want 39", left)
		}
	})
}

// The job begins at once, and ends with its ctx.
func TestTheJobEndsWithTheWorker(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := read[order](s.as(t, "bo").ask("POST", "/orders/", buy("bell", 1)).is(201)).ID
		s.hold = -time.Hour
		heard := make(chan string, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.expireAll(ctx, slog.New(slog.NewTextHandler(lineTo(heard), nil))) }()
		said := <-heard
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !strings.Contains(said, `msg="orders have expired" expired=1`) {
			t.Error(said)
		}
		if o, err := s.orders.Get(t.Context(), id); err != nil || o.Status != Expired {
			t.Errorf("the order is %+v, %v", o, err)
		}
	})
}

// lineTo is a log's writer.
type lineTo chan string

func (l lineTo) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// However many start at once, the database is migrated once, filled once, and has one key.
func TestWorkersThatStartAtOnce(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			at := database(t)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { start(t, at) })
			}
			all.Wait()
			s := start(t, at)
			for what, count := range map[string]func() (int64, error){
				"accounts": func() (int64, error) { return s.accounts.Count(t.Context()) },
				"facts":    func() (int64, error) { return orm.For[Fact](s.db).Count(t.Context()) },
			} {
				if n, err := count(); err != nil || n != 2 {
					t.Errorf("%d %s, %v, want 2", n, what, err)
				}
			}
		})
	}
}

func TestSettings(t *testing.T) {
	load := func(set ...string) (settings, error) {
		return loadSettings(func(name string) string {
			for _, one := range set {
				if value, ok := strings.CutPrefix(one, name+"="); ok {
					return value
				}
			}
			return ""
		})
	}
	for _, test := range []struct {
		set  []string
		want settings
	}{
		{nil, settings{Addr: "127.0.0.1:8000", Hold: 15 * time.Minute, Develop: true}},
		{[]string{"SHOP_DEVELOP=off"}, settings{Addr: "127.0.0.1:8000", Hold: 15 * time.Minute}},
		{
			[]string{"SHOP_ADDR=:80", "SHOP_DATABASE_URL=postgres://db/shop", "SHOP_SESSION_KEY=key", "SHOP_HOLD=1h"},
			settings{Addr: ":80", DatabaseURL: "postgres://db/shop", SessionKey: "key", Hold: time.Hour},
		},
	} {
		if set, err := load(test.set...); err != nil || set != test.want {
			t.Errorf("%v: %+v, %v, want %+v", test.set, set, err, test.want)
		}
	}
	for _, wrong := range []string{"SHOP_ADDR=80", "SHOP_HOLD=15", "SHOP_HOLD=1ms", "SHOP_DEVELOP=yes"} {
		name, _, _ := strings.Cut(wrong, "=")
		if _, err := load(wrong); err == nil || !strings.HasPrefix(err.Error(), name+" is ") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// A mistake at the start is one clear line, and nothing is made.
func TestRunRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if err := run([]string{"sell"}, func(string) string { return "" }, log); err == nil || !strings.HasPrefix(err.Error(), "usage: ") {
		t.Error(err)
	}
	missing := filepath.Join(t.TempDir(), "none", "shop.db")
	getenv := func(name string) string { return map[string]string{"SHOP_DATABASE_URL": missing}[name] }
	if err := run([]string{"promote", "bo"}, getenv, log); err == nil {
		t.Error("a database in a directory that is not there was opened")
	}
}
