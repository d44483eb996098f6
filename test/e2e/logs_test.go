package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// record is one line of a worker in json.
type record struct {
	Time       time.Time `json:"time"`
	Stream     string    `json:"stream"`
	Worker     *uint64   `json:"worker"`
	PID        int       `json:"pid"`
	Generation int       `json:"generation"`
	Msg        string    `json:"msg"`
}

// records parses every whole line; one that is not JSON fails the test.
func records(t *testing.T, o *harness.Output) []record {
	t.Helper()
	var all []record
	for _, line := range o.Lines() {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Errorf("not a JSON record: %v: %.200q", err, line)
			continue
		}
		all = append(all, r)
	}
	return all
}

// TestLinesAreWholeAndOnce: every line of a worker comes out whole, once, in
// order, on its own stream, with who wrote it.
func TestLinesAreWholeAndOnce(t *testing.T) {
	t.Parallel()
	const lines = 3000
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--log-overflow", "block"}}, "serve"))
	w := st.Workers[0]
	ask(ctx, t, s, fmt.Sprintf("/write?n=%d&size=100", lines))
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	for stream, o := range map[string]*harness.Output{"out": s.Stdout, "err": s.Stderr} {
		next := 0
		for _, r := range records(t, o) {
			if r.Stream == "" {
				continue // the supervisor's own
			}
			if r.Stream != "std"+stream || r.Worker == nil || *r.Worker != w.ID || r.PID != w.PID || r.Generation != 1 || r.Time.IsZero() {
				t.Fatalf("record %+v of worker %+v on std%s", r, w, stream)
			}
			if !strings.Contains(r.Msg, "line ") {
				continue
			}
			if want := fmt.Sprintf("%s line %d %s", stream, next, strings.Repeat("x", 100)); r.Msg != want {
				t.Fatalf("got %q, want %q", r.Msg, want)
			}
			next++
		}
		if next != lines {
			t.Errorf("%d lines on std%s, want %d", next, stream, lines)
		}
	}
}

// TestLastWordsOfTheKilled: what was written before a SIGKILL is read to the
// end, a line without an end included.
func TestLastWordsOfTheKilled(t *testing.T) {
	t.Parallel()
	const lines = 1000
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--log-overflow", "block"}}, "serve"))
	victim := st.Workers[0].PID
	if status, _, err := get(ctx, s, fmt.Sprintf("/write?n=%d&size=40&die=1", lines)); err == nil {
		t.Fatalf("the worker was to die, it answered %d", status)
	}
	st = await(ctx, t, s, "a replacement", func(st harness.Status) bool { return len(st.Ready()) == 1 && st.Workers[0].PID != victim })
	if _, err := s.Stdout.AwaitText(ctx, "half a li"); err != nil {
		t.Fatal(err)
	}
	ask(ctx, t, s, "/write?text=the-next-worker")
	if _, err := s.Stdout.AwaitText(ctx, "the-next-worker"); err != nil {
		t.Fatal(err)
	}
	next, half := 0, false
	for _, r := range records(t, s.Stdout) {
		switch {
		case r.PID != victim:
		case strings.HasPrefix(r.Msg, "out line "):
			if want := fmt.Sprintf("out line %d %s", next, strings.Repeat("x", 40)); r.Msg != want || half {
				t.Fatalf("got %q, want %q", r.Msg, want)
			}
			next++
		case r.Msg == "out half a li":
			half = true
		}
	}
	if next != lines || !half {
		t.Errorf("%d lines of %d, half a line: %v", next, lines, half)
	}
	if st.State != "running" {
		t.Errorf("state %s", st.State)
	}
}

func TestJSONLinesAreKeptWhole(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	ask(ctx, t, s, `/write?text=%7B%22level%22:%22warn%22,%22n%22:12345678901234567890,%22deep%22:%7B%22a%22:%5B1,2%5D%7D%7D`)
	line, err := s.Stdout.AwaitText(ctx, `"deep"`)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Level  string
		N      json.Number
		Deep   struct{ A []int }
		Tandem struct {
			Worker     uint64
			PID        int
			Generation int
			Stream     string
		}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	w := st.Workers[0]
	if got.Level != "warn" || got.N != "12345678901234567890" || len(got.Deep.A) != 2 ||
		got.Tandem.Worker != w.ID || got.Tandem.PID != w.PID || got.Tandem.Generation != 1 {
		t.Errorf("got %s", line)
	}
}

func TestPanicIsOneRecord(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	victim := st.Workers[0].PID
	_, _, _ = get(ctx, s, "/panic")
	await(ctx, t, s, "a replacement", func(st harness.Status) bool { return len(st.Ready()) == 1 && st.Workers[0].PID != victim })
	if _, err := s.Stderr.AwaitText(ctx, "the helper was told to"); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, r := range records(t, s.Stderr) {
		if r.Stream == "" || r.PID != victim {
			continue
		}
		if strings.Contains(r.Msg, "the helper was told to") {
			found++
			if !strings.Contains(r.Msg, "goroutine ") || !strings.Contains(r.Msg, "helper_test.go") {
				t.Errorf("the record does not hold the whole panic: %q", r.Msg)
			}
		} else if strings.HasPrefix(r.Msg, "goroutine ") || strings.Contains(r.Msg, "helper_test.go") {
			t.Errorf("a piece of the panic is a record of its own: %q", r.Msg)
		}
	}
	if found != 1 {
		t.Errorf("the panic is in %d records", found)
	}
}

// TestLongLine: beyond 1 MiB a line is split and marked, and nothing of it is
// missing.
func TestLongLine(t *testing.T) {
	t.Parallel()
	const size = 2_500_000
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--log-overflow", "block"}}, "serve"))
	ask(ctx, t, s, fmt.Sprintf("/write?n=1&size=%d&text=after", size))
	if _, err := s.Stdout.AwaitText(ctx, `"after"`); err != nil {
		t.Fatal(err)
	}
	got, parts := 0, 0
	for _, r := range records(t, s.Stdout) {
		if n := strings.Count(r.Msg, "x"); n > 1000 {
			got += n
			parts++
			if len(r.Msg) > 1<<20+200 {
				t.Errorf("a record of %d bytes", len(r.Msg))
			}
		}
	}
	if got != size || parts < 3 {
		t.Errorf("%d of %d bytes in %d records", got, size, parts)
	}
	// The last part is not partial.
	if marked := strings.Count(s.Stdout.String(), `"partial":true`); marked != parts-1 {
		t.Errorf("%d of %d parts say that more follows", marked, parts)
	}
}

func TestTextFormat(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--log-format", "text"}}, "serve"))
	ask(ctx, t, s, "/write?text=plain-words")
	line, err := s.Stdout.AwaitText(ctx, "plain-words")
	if err != nil {
		t.Fatal(err)
	}
	w := st.Workers[0]
	for _, want := range []string{fmt.Sprint(w.ID), fmt.Sprint(w.PID)} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
	if json.Valid([]byte(line)) {
		t.Errorf("json: %s", line)
	}
}

// TestOwnRecordsRepeatNothing: a worker's last words are in the answer of
// reload --wait, and in the log once, as the worker's own.
func TestOwnRecordsRepeatNothing(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=serve\n", 0o600)
	s, before := serve(ctx, t, 1, harness.Config{Command: []string{self}, Args: []string{"--env-file", env}})
	writeFile(t, env, helperMode+"=boot-exit\n", 0o600)
	res := command(ctx, t, s, "reload", "--wait")
	if res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, "lost its templates") {
		t.Errorf("exit %d, without the last words:\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	if st := ready(ctx, t, s, 1); st.Workers[0].PID != before.Workers[0].PID {
		t.Error("the old worker was touched")
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	own, times := 0, 0
	for _, line := range s.Stderr.Lines() {
		var r record
		_ = json.Unmarshal([]byte(line), &r)
		if strings.Contains(line, "lost its templates") {
			times++
			if r.Stream == "" {
				own++
			}
		}
	}
	if times == 0 || own > 0 {
		t.Errorf("the last words are in %d lines, %d of them the supervisor's own", times, own)
	}
}
