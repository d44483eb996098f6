package tally

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestARecordCountsByText(t *testing.T) {
	r := New(nil, "GET /posts/", func() string { return "abc" })
	ctx := r.Context(t.Context())
	Of(ctx).Add("SELECT 1", time.Millisecond)
	Of(ctx).Add("SELECT 2", 2*time.Millisecond)
	author := Purpose{"Post.Author", "Related"}
	Of(ctx).AddNamed(author, "SELECT 1", 3*time.Millisecond)
	Of(ctx).AddNamed(Purpose{"Post.Tags", "none"}, "SELECT 1", 4*time.Millisecond)
	Of(ctx).AddPart("SELECT 2", 5*time.Millisecond)
	if n, spent := r.Total(); n != 5 || spent != 15*time.Millisecond {
		t.Errorf("%d queries in %v, want 5 in 15ms", n, spent)
	}
	want := []Text{{"SELECT 1", author, 3, 0, 8 * time.Millisecond}, {"SELECT 2", Purpose{}, 2, 1, 7 * time.Millisecond}}
	if got, beyond := r.Texts(); !slices.Equal(got, want) || beyond != 0 {
		t.Errorf("%+v and %d beyond, want %+v", got, beyond, want)
	}
	if r.Route() != "GET /posts/" || r.RequestID() != "abc" {
		t.Errorf("route %q, request %q", r.Route(), r.RequestID())
	}
}

func TestWhereThereIsNoRecordNothingIsCounted(t *testing.T) {
	r := Of(context.Background())
	r.Add("SELECT 1", time.Second)
	r.AddPart("SELECT 1", time.Second)
	r.AtEnd(func(*Record) { t.Error("no request has ended") })
	r.End()
	n, spent := r.Total()
	texts, beyond := r.Texts()
	if r != nil || n != 0 || spent != 0 || texts != nil || beyond != 0 || r.Route() != "" || r.RequestID() != "" {
		t.Errorf("%v: %d queries in %v, %v and %d", r, n, spent, texts, beyond)
	}
}

func TestTheMemoryOfARecordIsBounded(t *testing.T) {
	r := New(nil, "", nil)
	for range 3 {
		for i := range MaxTexts + 10 {
			r.Add(fmt.Sprint("SELECT ", i), time.Microsecond)
		}
	}
	long := strings.Repeat("x", MaxTextLen+1)
	r.Add(long, time.Microsecond)
	r.AddPart(long, time.Microsecond)
	n, spent := r.Total()
	if n != 3*(MaxTexts+10)+2 || spent != time.Duration(n)*time.Microsecond {
		t.Errorf("%d queries in %v", n, spent)
	}
	texts, beyond := r.Texts()
	if len(texts) != MaxTexts || beyond != 31 {
		t.Errorf("%d texts and %d runs beyond, want %d and 31", len(texts), beyond, MaxTexts)
	}
	for i, text := range texts {
		if text.Text != fmt.Sprint("SELECT ", i) || text.Runs != 3 {
			t.Errorf("%+v", text)
		}
	}
}

func TestAnOuterRecordCountsWhatTheInnerOneDoes(t *testing.T) {
	outer := New(nil, "", nil)
	inner := New(outer, "GET /", nil)
	innermost := New(inner, "", nil)
	outer.Add("BEGIN", time.Second)
	inner.Add("SELECT 1", time.Second)
	innermost.Add("SELECT 2", time.Second)
	for name, test := range map[string]struct {
		r    *Record
		want int
		text string
	}{"outer": {outer, 3, "BEGIN"}, "inner": {inner, 2, "SELECT 1"}, "innermost": {innermost, 1, "SELECT 2"}} {
		n, spent := test.r.Total()
		texts, _ := test.r.Texts()
		if n != test.want || spent != time.Duration(n)*time.Second || len(texts) != 1 || texts[0].Text != test.text {
			t.Errorf("%s: %d queries in %v, %+v", name, n, spent, texts)
		}
	}
}

func TestARecordMayBeSharedByGoroutines(t *testing.T) {
	r := New(New(nil, "", nil), "", nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 1000 {
				r.Add(fmt.Sprint("SELECT ", i%4), time.Microsecond)
				r.Total()
				r.Texts()
			}
		})
	}
	all.Wait()
	for _, of := range []*Record{r, r.outer} {
		if n, spent := of.Total(); n != 8000 || spent != 8*time.Millisecond {
			t.Errorf("%d queries in %v", n, spent)
		}
	}
	texts, _ := r.Texts()
	if len(texts) != 4 {
		t.Errorf("%+v", texts)
	}
	for _, text := range texts {
		if text.Runs != 2000 {
			t.Errorf("%+v", text)
		}
	}
}

func TestTheFirstToAskIsToldOfTheEndOnce(t *testing.T) {
	r := New(nil, "", nil)
	var told []string
	note := func(who string) func(*Record) {
		return func(of *Record) {
			if of != r {
				t.Error("another record")
			}
			of.Total() // not locked
			told = append(told, who)
		}
	}
	r.AtEnd(note("first"))
	r.AtEnd(note("second"))
	r.End()
	r.End()
	r.AtEnd(note("late"))
	r.End()
	r.Add("SELECT 1", time.Second)
	if n, _ := r.Total(); n != 1 || !slices.Equal(told, []string{"first"}) {
		t.Errorf("%d queries, told %v", n, told)
	}
}
