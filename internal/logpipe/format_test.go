package logpipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseNames(t *testing.T) {
	for _, f := range []Format{Auto, Text, JSON, Journal} {
		if got, err := ParseFormat(f.String()); got != f || err != nil {
			t.Errorf("ParseFormat(%q) = %v, %v", f, got, err)
		}
	}
	for _, o := range []Overflow{Drop, Block} {
		if got, err := ParseOverflow(o.String()); got != o || err != nil {
			t.Errorf("ParseOverflow(%q) = %v, %v", o, got, err)
		}
	}
	for in, want := range map[string]string{"xml": `invalid log format "xml"`} {
		if _, err := ParseFormat(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFormat(%q): %v", in, err)
		}
	}
	if _, err := ParseOverflow("spill"); err == nil || !strings.Contains(err.Error(), "drop or block") {
		t.Errorf("ParseOverflow: %v", err)
	}
}

func TestFormats(t *testing.T) {
	const (
		head   = `{"time":"2026-11-22T17:59:54.123456Z","stream":"stderr","worker":7,"pid":4242,"generation":2`
		tandem = `"tandem":{"time":"2026-11-22T17:59:54.123456Z","stream":"stderr","worker":7,"pid":4242,"generation":2`
		cols   = `2026-11-22T17:59:54.123Z  w7        4242  g2   err | `
		more   = `                                                   | `
	)
	for _, tt := range []struct {
		l       line
		crashed bool
		text    string
		json    string
	}{
		{l: line{text: []byte("hello world")}, text: cols + "hello world", json: head + `,"msg":"hello world"}`},
		{l: line{}, text: cols, json: head + `,"msg":""}`},
		{
			l:    line{text: []byte("a\tb \"q\" \\ \x1b[31m \x00 \r \x7f \u009b \u2028 \xff é 世")},
			text: cols + "a\tb \"q\" \\ \\x1b[31m \\x00 \\x0d \\x7f \\xc2\\x9b \\xe2\\x80\\xa8 \\xff é 世",
			json: head + `,"msg":"a\tb \"q\" \\ \u001b[31m \u0000 \r \u007f \u009b \u2028 \ufffd é 世"}`,
		},
		{l: line{text: []byte("end"), partial: true}, text: cols + "end [no newline]", json: head + `,"partial":true,"msg":"end"}`},
		{l: line{text: []byte("a"), part: 1, partial: true}, text: cols + "[part 1] a [no newline]", json: head + `,"partial":true,"part":1,"msg":"a"}`},
		{l: line{text: []byte(`{"a":1}`), part: 2}, text: cols + `[part 2] {"a":1}`, json: head + `,"part":2,"msg":"{\"a\":1}"}`},
		{
			l: line{text: []byte("panic: x\n\ngoroutine 1 [running]:\n\tmain.go:1")}, crashed: true,
			text: cols + "panic: x\n" + more + "\n" + more + "goroutine 1 [running]:\n" + more + "\tmain.go:1",
			json: head + `,"kind":"panic","msg":"panic: x\n\ngoroutine 1 [running]:\n\tmain.go:1"}`,
		},
		{l: line{text: []byte(`{"level":"INFO","n":[1,{"tandem":2}]}`)}, text: cols + `{"level":"INFO","n":[1,{"tandem":2}]}`, json: `{"level":"INFO","n":[1,{"tandem":2}],` + tandem + `}}`},
		{l: line{text: []byte(" { } ")}, text: cols + " { } ", json: `{ ` + tandem + `}}`},
		{l: line{text: []byte(`{"a":1}`), partial: true}, text: cols + `{"a":1} [no newline]`, json: `{"a":1,` + tandem + `,"partial":true}}`},
		{l: line{text: []byte("{\"a\":\r\"\xff\u2028\x7f é\"}")}, text: cols + `{"a":\x0d"\xff\xe2\x80\xa8\x7f é"}`, json: `{"a": "\ufffd\u2028\u007f é",` + tandem + `}}`},
		{l: line{text: []byte(`{"tandem":{"worker":8}}`)}, text: cols + `{"tandem":{"worker":8}}`, json: head + `,"msg":"{\"tandem\":{\"worker\":8}}"}`},
		{l: line{text: []byte(`{"a":1,"t\u0061ndem":0}`)}, text: cols + `{"a":1,"t\u0061ndem":0}`, json: head + `,"msg":"{\"a\":1,\"t\\u0061ndem\":0}"}`},
		{l: line{text: []byte(`{"a":1},{"worker":8}`)}, text: cols + `{"a":1},{"worker":8}`, json: head + `,"msg":"{\"a\":1},{\"worker\":8}"}`},
		{l: line{text: []byte(`[1]`)}, text: cols + `[1]`, json: head + `,"msg":"[1]"}`},
	} {
		for format, want := range map[Format]string{Text: tt.text, JSON: tt.json} {
			f := newFormatter(format, Source{Worker: 7, PID: 4242, Generation: 2}, Stderr)
			f.at(epoch.Add(time.Hour))
			f.at(epoch)
			if got := string(f.append(nil, tt.l, tt.crashed)); got != want+"\n" {
				t.Errorf("%q as %v:\n got %s\nwant %s", tt.l.text, format, got, want)
			}
		}
	}
}

// Whatever a worker prints, there is one line per record, valid, that says whose
// it is and what was printed.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"", "a", "\x00\x1b\xff\u2028", `{"a":1}`, `{}`, `{"tandem":1}`, `{"a":{"tandem":[true,null,-1.5e+7,"\u12aB\\"]}}`,
		`{"a":1}{"b":2}`, `{"a":01}`, "{\"a\":\"\xff\"}", `{"":""}`, "{\"\x7f\":\r\n0}", `{"a":"\ud800"}`, `{"a":-}`, `{"a":1,}`,
	} {
		f.Add([]byte(s), false, false, uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, crashed, partial bool, part uint8) {
		l := line{text: b, partial: partial, part: int(part)}
		fm := newFormatter(JSON, Source{Worker: 7, PID: 4242, Generation: 2}, Stdout)
		fm.at(epoch)
		got := fm.append([]byte("before\n"), l, crashed)
		got, ok := bytes.CutPrefix(got, []byte("before\n"))
		got, end := bytes.CutSuffix(got, []byte("\n"))
		if !ok || !end || !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q: not one valid record: %q", b, got)
		}
		for _, r := range string(got) {
			if unsafeRune(r) {
				t.Fatalf("%q: %q is in the record %q", b, r, got)
			}
		}
		var m map[string]any
		if err := json.Unmarshal(got, &m); err != nil {
			t.Fatal(err)
		}
		ours := m
		o, isObject := parseObject(b)
		var theirs map[string]any
		valid := json.Unmarshal(b, &theirs) == nil && theirs != nil
		if isObject && !valid {
			t.Fatalf("%q is not an object", b)
		}
		if _, has := theirs["tandem"]; valid && !has && !isObject && bytes.Count(b, []byte{'{'})+bytes.Count(b, []byte{'['}) < maxDepth {
			t.Fatalf("%q is an object", b)
		}
		if isObject && !crashed && part == 0 {
			if o.empty != (len(theirs) == 0) {
				t.Fatalf("%q: empty %v", b, o.empty)
			}
			ours, ok = m["tandem"].(map[string]any)
			if !ok {
				t.Fatalf("%q: no mark of ours in %s", b, got)
			}
			delete(m, "tandem")
			if !reflect.DeepEqual(m, theirs) {
				t.Fatalf("%q became %v", b, m)
			}
		} else if want := strings.Join(toRunes(b), ""); ours["msg"] != want {
			t.Fatalf("%q: msg is %q", b, ours["msg"])
		}
		if ours["worker"] != 7.0 || ours["pid"] != 4242.0 || ours["generation"] != 2.0 || ours["stream"] != "stdout" || (ours["partial"] == true) != partial {
			t.Fatalf("%q: our members are %v", b, ours)
		}
	})
}

// toRunes has U+FFFD for each byte that is not UTF-8.
func toRunes(b []byte) (rs []string) {
	for _, r := range string(b) {
		rs = append(rs, string(r))
	}
	return rs
}

// In text each line begins with columns that a worker cannot print.
func FuzzText(f *testing.F) {
	f.Add([]byte("a\nb\r\x1b\xff\u0085\u2028"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fm := newFormatter(Text, Source{Worker: 7, PID: 4242, Generation: 2}, Stdout)
		fm.at(epoch)
		got := string(fm.append(nil, line{text: b}, true))
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) != bytes.Count(b, []byte{'\n'})+1 || !utf8.ValidString(got) {
			t.Fatalf("%q became %q", b, got)
		}
		for i, l := range lines {
			want := string(fm.head)
			if i > 0 {
				want = string(fm.indent)
			}
			if !strings.HasPrefix(l, want) {
				t.Fatalf("%q: line %d is %q", b, i, l)
			}
			for _, r := range l {
				if unsafeRune(r) && r != '\t' {
					t.Fatalf("%q: %q is in %q", b, r, l)
				}
			}
		}
	})
}

func TestDeepObjectIsText(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":`, n) + "0" + strings.Repeat("}", n))
	}
	if _, ok := parseObject(deep(maxDepth)); !ok {
		t.Error("an object of the greatest depth is refused")
	}
	if _, ok := parseObject(deep(maxDepth + 1)); ok {
		t.Error("an object that is too deep is accepted")
	}
}

func TestHandler(t *testing.T) {
	level := new(slog.LevelVar)
	log := func(h slog.Handler) {
		r := slog.NewRecord(epoch.In(time.FixedZone("", 3600)), slog.LevelWarn, "worker\nkilled \u009b", 0)
		r.AddAttrs(slog.Int("worker", 7), slog.String("why", "a b\n"), slog.String("level", "mine"))
		if err := h.WithAttrs([]slog.Attr{slog.Int("n", 1)}).WithGroup("g").Handle(t.Context(), r); err != nil {
			t.Error(err)
		}
		l := slog.New(h)
		l.Debug("not yet")
		level.Set(slog.LevelDebug)
		l.Debug("now")
		level.Set(slog.LevelInfo)
	}
	for format, want := range map[Format]string{
		JSON: `{"time":"2026-11-22T17:59:54.123456Z","level":"WARN","msg":"worker\nkilled \u009b","n":1,"g":{"worker":7,"why":"a b\n","level":"mine"}}` + "\n",
		Text: `2026-11-22T18:59:54.123+01:00  supervisor          WARN | worker\x0akilled \xc2\x9b n=1 g.worker=7 g.why="a b\n" g.level=mine` + "\n",
	} {
		f, out, errs := testFanin(t, Options{Format: format, Level: level})
		log(f.Handler())
		closeAll(t, f)
		got, debug, _ := strings.Cut(errs.String(), "\n")
		if got+"\n" != want {
			t.Errorf("%v:\n got %s\nwant %s", format, got, want)
		}
		if strings.Contains(debug, "not yet") || !strings.Contains(debug, "now") || strings.Count(debug, "\n") != 1 {
			t.Errorf("%v: after it came %q", format, debug)
		}
		if out.String() != "" {
			t.Errorf("the supervisor's own records on stdout: %q", out)
		}
		if err := f.Handler().Handle(t.Context(), slog.Record{}); err != os.ErrClosed {
			t.Errorf("a record after Close: %v", err)
		}
	}
}

// Both kinds of text record have their bar in the same column.
func TestColumns(t *testing.T) {
	f, out, errs := testFanin(t, Options{Format: Text})
	_, w := attach(t, f, 7, Stdout)
	fmt.Fprintln(w, "x")
	slog.New(f.Handler()).Info("y")
	closeAll(t, f)
	a, b, z := strings.Index(out.String(), "|"), strings.Index(errs.String(), "|"), len(time.Now().Format(textTime))-len(epoch.Format(textTime))
	if a < 0 || b-z != a {
		t.Errorf("columns differ:\n%s%s", out, errs)
	}
}

func TestAuto(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|0o400, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer tty.Close()
	for w, want := range map[io.Writer]Format{tty: Text, new(buffer): JSON, os.NewFile(999, "closed"): JSON} {
		if got := newSink("x", w, Auto).format; got != want {
			t.Errorf("%T: %v, want %v", w, got, want)
		}
	}
	if got := newSink("x", tty, JSON).format; got != JSON {
		t.Errorf("json on a terminal: %v", got)
	}
}
