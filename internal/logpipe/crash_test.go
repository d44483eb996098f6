package logpipe

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	realPanic = `panic: runtime error: index out of range [5] with length 3 [recovered]
	panic: again
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48d2a4]

goroutine 1 [running]:
main.main()
	/src/main.go:9 +0x1d
exit status 2`
	realDump = `SIGQUIT: quit
PC=0x47fee1 m=0 sigcode=0

goroutine 0 gp=0x5c8a80 m=0 mp=0x5c9600 [idle]:
runtime.futex(0x5c9748, 0x80, 0x0, 0x0, 0x0, 0x0)
	/usr/local/go/src/runtime/sys_linux_amd64.s:558 +0x21 fp=0x7ffd
rax    0xca`
	realFatal = `fatal error: all goroutines are asleep - deadlock!

goroutine 1 [select (no cases)]:
main.main()
	/src/main.go:4 +0xf`
	realTrace = `goroutine 34 [running]:
net/http.(*conn).serve.func1()
	/usr/local/go/src/net/http/server.go:1943 +0xd3
panic({0x7a1b40?, 0x8f9a50?})
	/usr/local/go/src/runtime/panic.go:783 +0x132
created by net/http.(*Server).Serve in goroutine 1
	/usr/local/go/src/net/http/server.go:3493 +0x485`
)

func TestCrash(t *testing.T) {
	dump := strings.TrimSuffix(string(debug.Stack()), "\n")
	for _, tt := range []struct {
		in   string
		want []string // "!" marks kind panic
	}{
		{"before\n" + realPanic + "\n", []string{"before", "!" + realPanic}},
		{realDump + "\n", []string{"!" + realDump}},
		{"x\n" + realFatal, []string{"x", "!" + realFatal + "~"}},
		{"http: panic serving [::1]:1: x\n" + realTrace + "\nnext line\n{}\n", []string{"http: panic serving [::1]:1: x", "!" + realTrace, "next line", ""}},
		{dump + "\nlater (really)\n", []string{"!" + dump, "later (really)"}},
		{realTrace + "\n" + realPanic + "\nanything\n", []string{"!" + realTrace + "\n" + realPanic + "\nanything"}},
		// Said by one that lives on.
		{"panic: at the disco\nnext\n", []string{"!panic: at the disco", "next"}},
		{"panic: one\npanic: two\n\nnext\n", []string{"!panic: one\npanic: two\n", "next"}},
		{"panic: x\nmain.main()\n", []string{"!panic: x", "main.main()"}},
		{"panic:x\npanicked\ngoroutine leak\ngoroutine 7\ngoroutine x [y]:\nfatal error\n\n", []string{"panic:x", "panicked", "goroutine leak", "goroutine 7", "goroutine x [y]:", "fatal error", ""}},
		{"panic: no newline", []string{"!panic: no newline~"}},
	} {
		f, _, errs := testFanin(t, Options{})
		p, w := attach(t, f, 1, Stderr)
		fmt.Fprint(w, tt.in)
		w.Close()
		<-p.Done()
		closeAll(t, f)
		var got []string
		for _, r := range records(t, errs.String()) {
			m := r.Msg
			if r.Kind == "panic" {
				m = "!" + m
			}
			if r.Partial {
				m += "~"
			}
			got = append(got, m)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s\n got %q\nwant %q", tt.in, got, tt.want)
		}
	}
}

// On stdout nothing is held back or put together.
func TestCrashOnStdout(t *testing.T) {
	f, out, _ := testFanin(t, Options{})
	p, w := attach(t, f, 1, Stdout)
	fmt.Fprintln(w, realPanic)
	w.Close()
	<-p.Done()
	closeAll(t, f)
	if rs := records(t, out.String()); len(rs) != strings.Count(realPanic, "\n")+1 || rs[0].Kind != "" {
		t.Errorf("%+v", rs)
	}
}

// What looks like a crash is not held for ever, and what comes then is ordinary.
func TestCrashIsNotHeldForEver(t *testing.T) {
	f, _, errs := testFanin(t, Options{})
	f.crashHold = time.Millisecond
	p, w := attach(t, f, 1, Stderr)
	for i, l := range []string{"panic: just words", "ordinary"} {
		fmt.Fprintln(w, l)
		for f.Stats().Lines != uint64(i+1) {
			runtime.Gosched()
		}
	}
	w.Close()
	<-p.Done()
	closeAll(t, f)
	rs := records(t, errs.String())
	if len(rs) != 2 || rs[0].Msg != "panic: just words" || rs[0].Kind != "panic" || rs[0].Partial || rs[1].Msg != "ordinary" || rs[1].Kind != "" {
		t.Errorf("%+v", rs)
	}
}

// A dump beyond 1 MiB is split and marked, without losing a byte.
func TestLongCrash(t *testing.T) {
	var b strings.Builder
	b.WriteString("SIGABRT: abort\n\n")
	for i := 0; b.Len() < 5*maxLine/2; i++ {
		fmt.Fprintf(&b, "goroutine %d [select]:\nmain.main()\n\t/src/main.go:4 +0xf\n\n", i)
	}
	f, _, errs := testFanin(t, Options{})
	p, w := attach(t, f, 1, Stderr)
	fmt.Fprint(w, b.String())
	w.Close()
	<-p.Done()
	closeAll(t, f)
	all := ""
	rs := records(t, errs.String())
	for i, r := range rs {
		if r.Kind != "panic" || r.Part != i+1 || r.Partial != (i < len(rs)-1) || len(r.Msg) > maxLine {
			t.Errorf("record %d: kind %q, part %d, partial %v, %d bytes", i, r.Kind, r.Part, r.Partial, len(r.Msg))
		}
		all += r.Msg + "\n"
	}
	if len(rs) != 3 || all != b.String() {
		t.Errorf("%d records, %d bytes of %d", len(rs), len(all), b.Len())
	}
	if tail := p.Tail(); len(tail) != 3 || !strings.HasPrefix(tail[0], "SIGABRT: abort") {
		t.Errorf("a tail of %d records", len(tail))
	}
}

func TestRealCrashes(t *testing.T) {
	f, out, errs := testFanin(t, Options{})
	a := start(t, f, 1, "panic")
	b := start(t, f, 2, "abort")
	for !strings.Contains(out.String(), `"msg":"up"`) {
		runtime.Gosched()
	}
	if err := b.cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	a.finish()
	b.finish()
	closeAll(t, f)
	var first, second []record
	for _, r := range records(t, errs.String()) {
		if r.Worker == 1 {
			first = append(first, r)
		} else {
			second = append(second, r)
		}
	}
	if len(first) != 2 || first[0].Msg != "an ordinary line" || first[1].Kind != "panic" ||
		!strings.HasPrefix(first[1].Msg, "panic: runtime error: index out of range") || !strings.Contains(first[1].Msg, "logpipe.panics") {
		t.Errorf("a panic is %d records: %+v", len(first), first)
	}
	if len(second) != 1 || second[0].Kind != "panic" || !strings.HasPrefix(second[0].Msg, "SIGABRT: abort\n") || !strings.Contains(second[0].Msg, "logpipe.waits") {
		t.Errorf("a dump is %d records: %+v", len(second), second)
	}
	if tail := a.out.Tail(); len(tail) != 2 || tail[1] != first[1].Msg {
		t.Errorf("last words %q", tail)
	}
}
