package postmortem

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const fatal = `SIGABRT: abort
PC=0x46c2e1 m=0 sigcode=0

goroutine 0 gp=0x58a7e0 m=0 mp=0x58b480 [idle]:
runtime.futex(0x58b5c0, 0x80, 0x0, 0x0, 0x0, 0x0)
	/go/src/runtime/sys_linux_amd64.s:557 +0x21 fp=0x7ffc sp=0x7ff0 pc=0x46c2e1

goroutine 1 gp=0xc000002380 m=nil [chan receive, 2 minutes]:
main.main()
	/src/main.go:7 +0x1d

goroutine 18 [select, 3 minutes, locked to thread]:
net/http.(*conn).serve(0xc000126000, {0x7d8f40, 0xc000112330})
	/go/src/net/http/server.go:2102 +0x5d9
created by net/http.(*Server).Serve in goroutine 1
	/go/src/net/http/server.go:3285 +0x4b4

goroutine 19 [select, 9 minutes]:
net/http.(*conn).serve(0xc000999000, {0x7d8f40, 0xc000112330})
	/go/src/net/http/server.go:2102 +0x5d9
created by net/http.(*Server).Serve in goroutine 1234
	/go/src/net/http/server.go:3285 +0x4b4

goroutine 20 [select]:
net/http.(*conn).serve(0xc000999000, {0x7d8f40, 0xc000112330})
	/go/src/net/http/server.go:2103 +0x5d9
created by net/http.(*Server).Serve in goroutine 1234
	/go/src/net/http/server.go:3285 +0x4b4

rax    0xca
rip    0x46c2e1
`

func fold(text string) *Dump {
	var f Folder
	f.Begin()
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		f.Line([]byte(l))
	}
	return f.Dump()
}

func TestFold(t *testing.T) {
	d := fold(fatal)
	if d.Goroutines != 5 || len(d.Groups) != 4 || d.Bytes != int64(len(fatal)) ||
		strings.Join(d.Head, "|") != "SIGABRT: abort|PC=0x46c2e1 m=0 sigcode=0" || strings.Join(d.Tail, "|") != "rax    0xca|rip    0x46c2e1" {
		t.Fatalf("%+v", d)
	}
	first, most := d.Groups[0], d.Groups[1]
	if first.State != "idle" || first.IDs[0] != 0 {
		t.Errorf("the first is not where it began: %+v", first)
	}
	if most.State != "select" || most.Count != 2 || most.MinMinutes != 3 || most.MaxMinutes != 9 || most.Locked != 1 || fmt.Sprint(most.IDs) != "[18 19]" {
		t.Errorf("those at one place are not one group: %+v", most)
	}
	if !strings.HasPrefix(most.Stack, "net/http.(*conn).serve(0xc000126000, ") || !strings.HasSuffix(most.Stack, "server.go:3285 +0x4b4") {
		t.Errorf("the stack is not as it was printed:\n%s", most.Stack)
	}
}

func TestFoldATraceOfAPanic(t *testing.T) {
	d := fold("panic: boom [recovered, repanicked]\n\n\tpanic: again\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]\n\ngoroutine 7 [running]:\nmain.f(...)\n\t/src/main.go:3\nexit status 2")
	if d.Goroutines != 1 || len(d.Head) != 3 || !strings.HasSuffix(d.Groups[0].Stack, "exit status 2") {
		t.Errorf("%+v", d)
	}
	if d := fold("panic: boom\nand then nothing"); d != nil {
		t.Errorf("no goroutine, and a dump: %+v", d)
	}
}

// Ten thousand goroutines take the memory of their different stacks.
func TestFoldMany(t *testing.T) {
	var b strings.Builder
	b.WriteString("SIGABRT: abort\n\n")
	for n := range 10_000 {
		fmt.Fprintf(&b, "goroutine %d [chan receive, %d minutes]:\nmain.wait(0x%x)\n\t/src/main.go:12 +0x1d\ncreated by main.main in goroutine 1\n\t/src/main.go:6 +0x2f\n\n", n, n%10, n)
	}
	d := fold(b.String())
	if d.Goroutines != 10_000 || len(d.Groups) != 1 || d.Groups[0].Count != 10_000 || d.Groups[0].MaxMinutes != 9 || len(d.Groups[0].IDs) != maxIDs || d.OmittedGoroutines != 0 {
		t.Errorf("%+v", d)
	}
}

// What is beyond the bounds is counted.
func TestFoldIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("panic: " + strings.Repeat("x", 2*maxDumpLine) + "\n")
	for range 2 * maxAround {
		b.WriteString("a line before\n")
	}
	b.WriteString("goroutine 1 [running]:\n" + strings.Repeat("main.f("+strings.Repeat("y", 1000)+")\n", 100) + "\n")
	for n := range 3 * maxGroups {
		fmt.Fprintf(&b, "goroutine %d [running]:\nmain.f%d()\n\n", n+2, n)
	}
	d := fold(b.String())
	if len(d.Groups) != maxGroups || d.OmittedGoroutines != 2*maxGroups+1 || d.OmittedLines == 0 || d.OmittedStackBytes == 0 ||
		len(d.Groups[0].Stack) > maxOneStack || len(d.Head[0]) > maxDumpLine+len(" [cut]") {
		t.Errorf("%d groups, %d goroutines, %d bytes and %d lines left out; the first stack has %d bytes",
			len(d.Groups), d.OmittedGoroutines, d.OmittedStackBytes, d.OmittedLines, len(d.Groups[0].Stack))
	}
	total := 0
	for _, g := range d.Groups {
		total += len(g.Stack)
	}
	if total > maxStackBytes {
		t.Errorf("%d bytes of stacks", total)
	}
}

func FuzzFold(f *testing.F) {
	f.Add([]byte(fatal))
	f.Add([]byte("goroutine 1 [\ngoroutine 99999999999999999999 [x]:\ngoroutine 1 gp=]:["))
	f.Add([]byte("goroutine 1 [a, -3 minutes, 9999999999 minutes]:\n)\n))((\n\t +0x\ncreated by  in goroutine "))
	f.Add([]byte("panic: \xff\xfe\n\x00goroutine 2 [\x1b[2J]:\n\xc3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var folder Folder
		folder.Begin()
		headers := 0
		for l := range bytes.SplitSeq(text, []byte("\n")) {
			if _, ok := goroutineHeader(l); ok {
				headers++
			}
			folder.Line(l)
		}
		d := folder.Dump()
		if (d == nil) != (headers == 0) {
			t.Fatalf("%d goroutines, dump %v", headers, d)
		}
		if d == nil {
			return
		}
		counted := d.OmittedGoroutines
		for _, g := range d.Groups {
			counted += g.Count
			if g.MinMinutes > g.MaxMinutes || g.MinMinutes < 0 || len(g.IDs) > maxIDs || g.Locked > g.Count {
				t.Errorf("%+v", g)
			}
		}
		if counted != headers || d.Goroutines != headers || d.Bytes != int64(len(text))+1 {
			t.Errorf("%d headers, %d goroutines, %d counted", headers, d.Goroutines, counted)
		}
		again := folder.Dump()
		if fmt.Sprint(again) != fmt.Sprint(d) {
			t.Error("a second look shows something else")
		}
	})
}

// A dump cut at any byte is a dump all the same.
func TestFoldTruncated(t *testing.T) {
	for n := range len(fatal) {
		if d := fold(fatal[:n]); d != nil && (d.Goroutines > 5 || len(d.Groups) > d.Goroutines) {
			t.Fatalf("cut at %d: %+v", n, d)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	lines := strings.Split(fatal, "\n")
	for range 300 {
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		if d := fold(strings.Join(lines, "\n")); d.Goroutines != 5 {
			t.Fatalf("shuffled: %+v", d)
		}
	}
}

func TestStrip(t *testing.T) {
	dump := fold(fatal)
	later := Line{"stderr", "created by main.main\n\t/src/main.go:7\n\ngoroutine 99 [select]:\nmain.f()"}
	lines := []Line{
		{"stdout", "one"},
		{"stderr", "goroutine 7 [running]:\nmain.recovered()"},
		{"stderr", strings.TrimSuffix(fatal, "\n")},
		later,
		{"stdout", "a\nb"},
	}
	got := Strip(lines, dump)
	want := []Line{
		lines[0], lines[1],
		{"stderr", "SIGABRT: abort\nPC=0x46c2e1 m=0 sigcode=0\n" + keptApart},
		lines[4],
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := Strip(lines, nil); fmt.Sprint(got) != fmt.Sprint(lines) {
		t.Errorf("taken out, and kept nowhere: %q", got)
	}
}
