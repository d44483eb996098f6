package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(ledgerVariable) != "" {
		os.Exit(work())
	}
	os.Exit(m.Run())
}

// booked is a ledger in which so much is written.
func booked(began map[string]int, holders map[string]int, dead ...int) *ledger {
	l := &ledger{began: began, holders: map[string][]holding{}, dead: map[int]bool{}}
	for client, pid := range holders {
		l.holders[client] = []holding{{pid: pid}} // from the beginning
	}
	l.killed(dead...)
	return l
}

// good is a turn in which every kind was served well.
func good() *turn {
	t := &turn{end: time.Now(), tally: map[kind]*tally{}}
	for _, k := range kinds {
		t.tally[k] = &tally{sent: 10}
	}
	return t
}

func TestVerdict(t *testing.T) {
	one := map[string]int{"a": 1}
	for _, tc := range []struct {
		name   string
		spoil  func(*turn)
		ledger *ledger
		want   string // "": it passes
	}{
		{"nothing happened", func(*turn) {}, booked(one, nil), ""},
		{"late", func(t *turn) { t.tally[short].late = 3 }, booked(one, nil), ""},
		{
			"lost with its process", func(t *turn) { t.tally[kept].lose("client:1", "closed") },
			booked(one, map[string]int{"client:1": 7}, 7), "",
		},
		{
			"lost by a process that lives", func(t *turn) { t.tally[kept].lose("client:1", "closed") },
			booked(one, map[string]int{"client:1": 8}, 7), "1 of 10 kept lost",
		},
		{
			"lost by a process of which nobody knows", func(t *turn) { t.tally[http2].lose("client:1", "closed") },
			booked(one, nil), "1 of 10 h2 lost",
		},
		{
			"the same when a process has just died", func(t *turn) { t.tally[http2].lose("client:1", "closed") },
			booked(one, nil, 7), "",
		},
		{
			"and long after that", func(t *turn) {
				t.tally[http2].losses = []loss{{client: "client:1", how: "closed", at: time.Now().Add(time.Minute)}}
			},
			booked(one, nil, 7), "1 of 10 h2 lost",
		},
		{
			"lost by a client that never connected", func(t *turn) { t.tally[webSocks].lose("", "closed") },
			booked(one, map[string]int{"client:1": 7}, 7), "1 of 10 websocket lost",
		},
		{"begun twice", func(*turn) {}, booked(map[string]int{"a": 1, "b": 2}, nil), "1 requests began twice"},
		{
			"begun twice, once in a process that died", func(*turn) {},
			booked(map[string]int{"b": 2}, map[string]int{"client:1": 7}, 7), "1 requests began twice",
		},
		{"answered wrongly", func(t *turn) { t.tally[upload].wrong = []string{"another's"} }, booked(one, nil), "1 upload answered wrongly, the first: another's"},
		{"refused", func(t *turn) { t.tally[short].refuse(); t.end = time.Now().Add(time.Second) }, booked(one, nil), "1 short refused"},
		{"refused after the stop", func(t *turn) { t.tally[short].refuse() }, booked(one, nil), ""},
		{"a kind that did not come", func(t *turn) { t.tally[streaming].sent = 0 }, booked(one, nil), "no stream was sent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			turn := good()
			tc.spoil(turn)
			turn.judge(tc.ledger)
			err := turn.verdict()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the verdict is %v, want %q", err, tc.want)
			}
		})
	}
}

// TestLedger: what the workers say reaches the books.
func TestLedger(t *testing.T) {
	l, err := openLedger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	say(t, l, "holds 7 client:1", "holds 8 client:2", "holds 8 client:1", "began 8 a", "began 8 a", "began 7 b", "dies 8 -", "nonsense")
	if err := l.settle(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	early := now.Add(-time.Minute) // before anybody had said anything: that was another connection from there
	if l.twice() != 1 || l.holder("client:1", now) != 8 || l.holder("client:1", early) != 0 ||
		!l.excused(loss{client: "client:1", at: now}) || l.excused(loss{client: "client:1", at: early}) || l.excused(loss{client: "client:3", at: early}) {
		t.Errorf("twice: %d, client:1 is held by %d, excused: %v, and client:3: %v",
			l.twice(), l.holder("client:1", now), l.excused(loss{client: "client:1", at: now}), l.excused(loss{client: "client:3", at: early}))
	}
}

func say(t *testing.T, l *ledger, words ...string) {
	t.Helper()
	c, err := l.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, w := range words {
		if _, err := fmt.Fprint(c, w); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLossesAreSeen tortures workers that deserve it: they end at once when they
// are asked to drain, and begin some requests twice.
func TestLossesAreSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the supervisor")
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/tandem-go/tandem/cmd/supervisor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	careless := fault{
		name: "careless workers",
		do: func(ctx context.Context, a *arena) error {
			if err := a.breakWorkers("careless"); err != nil {
				return err
			}
			// The first brings them, the second ends them.
			return errors.Join(a.must(ctx, "reload", "--wait"), a.must(ctx, "reload", "--wait"))
		},
		rest: 100 * time.Millisecond,
	}
	turn, err := takeTurn(harness.Within(t), careless, bin, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	err = turn.verdict()
	if err == nil {
		t.Fatal("nothing was lost, they say")
	}
	for _, k := range []kind{kept, streaming, upload, webSocks, http2} {
		if len(turn.bare[k]) == 0 {
			t.Errorf("no %s was lost without excuse; the verdict: %v", k, err)
		}
	}
	if turn.twice == 0 {
		t.Errorf("no request began twice; the verdict: %v", err)
	}
}
