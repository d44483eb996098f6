package logpipe

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Who reads along gets each line once, the first part of them from the tail,
// however many are being written at that moment.
func TestSubscribeHasNoGap(t *testing.T) {
	f, _, _ := testFanin(t, Options{})
	const workers, lines = 3, 1000 // what a subscriber has room for
	started := make(chan struct{}, workers)
	var writers sync.WaitGroup
	var pipes []*Pipe
	for worker := range uint64(workers) {
		p, w := attach(t, f, worker+1, Stdout)
		q, e := attach(t, f, worker+1, Stderr)
		e.Close()
		pipes = append(pipes, p, q)
		writers.Go(func() {
			for i := range lines {
				if i == 100 {
					started <- struct{}{}
				}
				fmt.Fprintln(w, i)
			}
			w.Close()
		})
	}
	for range workers {
		<-started
	}
	sub, ok := f.Subscribe(Filter{})
	if !ok {
		t.Fatal("no subscription")
	}
	got := sub.History()
	go func() {
		writers.Wait()
		for _, p := range pipes {
			<-p.Done()
		}
		_ = f.Close(t.Context())
	}()
	for {
		ls, dropped, err := sub.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || dropped > 0 {
			t.Fatalf("%d dropped, %v", dropped, err)
		}
		got = append(got, ls...)
	}
	next := map[uint64]int{}
	for _, l := range got {
		if l.Worker == 0 {
			continue
		}
		var n int
		if _, err := fmt.Sscan(string(l.Text), &n); err != nil {
			t.Fatal(err)
		}
		if want, seen := next[l.Worker]; seen && n != want {
			t.Fatalf("worker %d: line %d, want %d", l.Worker, n, want)
		}
		next[l.Worker] = n + 1
	}
	for worker := range uint64(workers) {
		if next[worker+1] != lines {
			t.Errorf("worker %d: the last line is %d", worker+1, next[worker+1]-1)
		}
	}
	sub.Close()
	sub.Close()
}

// A reader that is too slow loses lines, is told how many and where, and holds
// up nobody.
func TestSlowSubscriber(t *testing.T) {
	f, out, _ := testFanin(t, Options{BufferBytes: 64 << 20})
	sub, _ := f.Subscribe(Filter{Worker: 0})
	defer sub.Close()
	p, w := attach(t, f, 1, Stdout)
	const lines = 20_000
	for i := range lines {
		fmt.Fprintf(w, "%d %s\n", i, strings.Repeat("x", 100))
	}
	w.Close()
	<-p.Done()
	ls, dropped, err := sub.Next(t.Context())
	if err != nil || dropped == 0 || uint64(len(ls))+dropped != lines {
		t.Fatalf("%d lines, %d dropped, %v", len(ls), dropped, err)
	}
	size := 0
	for i, l := range ls {
		size += len(l.Text)
		if !strings.HasPrefix(string(l.Text), fmt.Sprint(i, " ")) {
			t.Fatalf("line %d is %q", i, l.Text)
		}
	}
	if size > subscriptionBytes {
		t.Errorf("%d bytes waited", size)
	}
	slog.New(f.Handler()).Info("own")
	if ls, dropped, err = sub.Next(t.Context()); len(ls) != 1 || dropped != 0 || err != nil || ls[0].Worker != 0 || string(ls[0].Text) != "own" {
		t.Errorf("after it: %v, %d, %v", ls, dropped, err)
	}
	closeAll(t, f)
	if n := strings.Count(out.String(), "\n"); n != lines {
		t.Errorf("the sink has %d lines", n)
	}
}

// One worker's lines: from its tail, on to its end, and from the tail of one
// that has ended.
func TestSubscribeToOneWorker(t *testing.T) {
	f, _, _ := testFanin(t, Options{})
	slog.New(f.Handler()).Info("own")
	if _, ok := f.Subscribe(Filter{Worker: 7}); ok {
		t.Error("a worker that never was")
	}
	p, w := attach(t, f, 7, Stdout)
	q, e := attach(t, f, 7, Stderr)
	other, o := attach(t, f, 8, Stdout)
	fmt.Fprintln(o, "of another")
	fmt.Fprintln(w, "first")
	o.Close()
	<-other.Done()
	for len(p.Tail()) == 0 {
		// the reader has it soon
	}
	sub, ok := f.Subscribe(Filter{Worker: 7})
	if h := sub.History(); !ok || len(h) != 1 || string(h[0].Text) != "first" || h[0].PID != 4242 || !h[0].Time.Equal(epoch) {
		t.Fatalf("%v", h)
	}
	fmt.Fprint(e, "panic: no\nmore\n")
	e.Close()
	<-q.Done()
	var ls []Line
	for len(ls) < 2 {
		more, _, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, more...)
	}
	if len(ls) != 2 || !ls[0].Panic || ls[0].Stream != Stderr || string(ls[0].Text) != "panic: no" || string(ls[1].Text) != "more" {
		t.Errorf("%+v", ls)
	}
	w.Close()
	<-p.Done()
	if _, _, err := sub.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after its end: %v", err)
	}
	late, ok := f.Subscribe(Filter{Worker: 7})
	if !ok || len(late.History()) != 3 {
		t.Error("its tail is gone with it")
	}
	if _, _, err := late.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("a dead worker goes on: %v", err)
	}
	for i := range maxGone {
		for _, s := range []Stream{Stdout, Stderr} {
			p, w := attach(t, f, uint64(100+i), s)
			w.Close()
			<-p.Done()
		}
	}
	if _, ok := f.Subscribe(Filter{Worker: 7}); ok || len(f.gone) != maxGone {
		t.Errorf("%d workers that have ended are remembered", len(f.gone))
	}
}

// Both forms are those of the log, the supervisor's own records too.
func TestLineInTheFormsOfTheLog(t *testing.T) {
	for _, form := range []Format{Text, JSON} {
		f, out, errs := testFanin(t, Options{Format: form})
		sub, _ := f.Subscribe(Filter{})
		log := slog.New(f.Handler()).With("a", 1)
		p, w := attach(t, f, 1, Stdout)
		fmt.Fprint(w, "plain\n{\"x\":1}\nlast")
		w.Close()
		<-p.Done()
		var got []byte
		ls, _, _ := sub.Next(t.Context())
		for _, l := range ls {
			got = l.Append(got, form)
		}
		log.Warn("two words", "b", "c\nd")
		ls, _, _ = sub.Next(t.Context())
		sub.Close()
		closeAll(t, f)
		if string(got) != out.String() {
			t.Errorf("got  %s\nwant %s", got, out)
		}
		if len(ls) != 1 || string(ls[0].Append(nil, form)) != errs.String() {
			t.Errorf("own: %+v, want %s", ls, errs)
		}
	}
}
