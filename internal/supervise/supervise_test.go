package supervise

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/notify"
)

func TestStartScaleStop(t *testing.T) {
	r := start(t, "good", "--workers", "2")
	st := r.until(t, "two ready workers", ready(2, 1))
	if w := st.Workers[0]; st.State != "running" || w.PID == 0 || w.RSSBytes == nil || w.Requests != nil || w.Liveness != "none" {
		t.Errorf("status of a foreign worker: %+v %+v", st, w)
	}
	if err := r.Scale(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	r.until(t, "three", ready(3, 1))
	r.Signal(syscall.SIGTTOU)
	r.until(t, "two again", ready(2, 1))
	if err := r.Scale(t.Context(), 0); err == nil {
		t.Error("scaled to none")
	}
	r.Signal(syscall.SIGTERM)
	if got := <-r.result; got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := r.Status(t.Context()); err == nil {
		t.Error("an answer after the end")
	}
	if _, err := r.Reload(t.Context(), true); err == nil {
		t.Error("a reload after the end")
	}
}

// One message that cannot be read is not the channel's end: the worker's hello
// after it counts.
func TestAChannelSurvivesGarbage(t *testing.T) {
	r := start(t, "garbled", "--workers", "1")
	r.until(t, "a worker that speaks", func(st control.Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].Requests != nil
	})
}

func TestReloadTakesTheEnvFileAfresh(t *testing.T) {
	r := start(t, "good", "--workers", "2")
	r.until(t, "the start", ready(2, 1))
	res, err := r.Reload(t.Context(), true)
	if err != nil || res.Result != control.ResultOK || res.Generation != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	st := r.until(t, "the new generation alone", ready(2, 2))
	if st.LastReload == nil || st.LastReload.Result != "ok" || st.Generation != 2 {
		t.Errorf("%+v", st)
	}
}

func TestABrokenReloadChangesNothingAndSaysWhy(t *testing.T) {
	r := start(t, "good", "--workers", "2")
	before := r.until(t, "the start", ready(2, 1))
	r.mode(t, "crash")
	res, err := r.Reload(t.Context(), true)
	if err != nil || res.Result != control.ResultFailed || !strings.Contains(res.Error, "exit status 7") {
		t.Fatalf("%+v, %v", res, err)
	}
	if len(res.LastWords) != 1 || !strings.Contains(res.LastWords[0], "last words of a broken build") {
		t.Errorf("last words: %q", res.LastWords)
	}
	after := r.until(t, "the old generation", ready(2, 1))
	if last := after.LastReload; last == nil || last.Result != control.ResultFailed || len(last.LastWords) != 1 {
		t.Errorf("status says of it %+v", last)
	}
	for i := range before.Workers {
		if before.Workers[i].PID != after.Workers[i].PID {
			t.Errorf("worker %d was replaced", before.Workers[i].ID)
		}
	}
	if err := os.WriteFile(r.env, []byte("MODE=good\nSUPERVISOR_SURGE=0x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err = r.Reload(t.Context(), true)
	if err != nil || res.Result != control.ResultFailed || !strings.Contains(res.Error, "surge") {
		t.Errorf("a bad env file: %+v, %v", res, err)
	}
	r.mode(t, "good")
	if res, err = r.Reload(t.Context(), true); err != nil || res.Result != control.ResultOK {
		t.Errorf("the next good one: %+v, %v", res, err)
	}
	if st, err := r.Status(t.Context()); err != nil || len(st.LastReload.LastWords) != 0 {
		t.Errorf("after a good one: %+v, %v", st.LastReload, err)
	}
}

// A service manager may first run a command that stops the service and then send
// TERM: that is one stop. Only a second TERM is impatience.
func TestAStopAskedForInTwoWaysIsOneStop(t *testing.T) {
	for name, c := range map[string]struct {
		ask   func(*rig)
		quick bool
	}{
		"command and TERM": {func(r *rig) { _ = r.Stop(context.Background(), false); r.Signal(syscall.SIGTERM) }, false},
		"TERM and TERM":    {func(r *rig) { r.Signal(syscall.SIGTERM); r.Signal(syscall.SIGTERM) }, true},
		"command, TERM, TERM": {func(r *rig) {
			_ = r.Stop(context.Background(), false)
			r.Signal(syscall.SIGTERM)
			r.Signal(syscall.SIGTERM)
		}, true},
		"two commands":        {func(r *rig) { _ = r.Stop(context.Background(), false); _ = r.Stop(context.Background(), false) }, false},
		"command and at once": {func(r *rig) { _ = r.Stop(context.Background(), false); _ = r.Stop(context.Background(), true) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "good", "--workers", "1", "--lame-duck", "300ms")
			r.until(t, "the start", ready(1, 1))
			c.ask(r)
			if got := <-r.result; got.Code != 0 {
				t.Errorf("%+v", got)
			}
			if quick := strings.Contains(r.everything(), "asked to end at once"); quick != c.quick {
				t.Errorf("quick: %v, want %v", quick, c.quick)
			}
		})
	}
}

func TestTermWinsOverAReloadThatHangs(t *testing.T) {
	r := start(t, "good", "--workers", "1")
	r.until(t, "the start", ready(1, 1))
	r.mode(t, "mute")
	outcome := make(chan control.ReloadResult, 1)
	go func() {
		res, _ := r.Reload(context.Background(), true)
		outcome <- res
	}()
	r.until(t, "the reload", func(st control.Status) bool { return st.State == "reloading" && len(st.Workers) == 2 })
	r.Signal(syscall.SIGTERM)
	if got := <-r.result; got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if res := <-outcome; res.Result != control.ResultFailed || res.Error == "" {
		t.Errorf("who waited was told %+v", res)
	}
}

func TestAFirstStartThatCannotSucceed(t *testing.T) {
	r := start(t, "crash", "--workers", "1")
	if got := <-r.result; got.Code != 3 || !strings.Contains(got.Reason, "exit status 7") {
		t.Errorf("%+v", got)
	}
	loaded, err := config.Load([]string{"--control", "off", "--", filepath.Join(t.TempDir(), "none")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Config: loaded}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	r := start(t, "good", "--workers", "1")
	want := []struct {
		name string
		is   func(notify.Message) bool
		then func()
	}{
		{"READY", func(m notify.Message) bool { return m.Ready }, func() { r.Signal(syscall.SIGHUP) }},
		{"RELOADING", func(m notify.Message) bool { return m.Reloading && !m.Ready }, nil},
		{"READY after it", func(m notify.Message) bool { return m.Ready }, func() { r.Signal(syscall.SIGTERM) }},
		{"STOPPING", func(m notify.Message) bool { return m.Stopping }, nil},
	}
	for _, w := range want {
		for {
			m, err := r.up.Read()
			if err != nil {
				t.Fatalf("waiting for %s: %v", w.name, err)
			}
			if w.is(m) {
				break
			}
		}
		if w.then != nil {
			w.then()
		}
	}
	<-r.result
}

// Each notification waits for seconds when the service manager does not read;
// neither the workers nor TERM may wait behind them.
func TestAServiceManagerThatDoesNotListen(t *testing.T) {
	began := time.Now()
	r := start(t, "good", "--workers", "4") // nobody reads r.up
	conn, err := net.Dial("unixgram", r.up.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for err == nil { // until its queue is full
		_ = conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = conn.Write([]byte("X=1"))
	}
	r.until(t, "the start", ready(4, 1))
	for n := 5; n < 8; n++ {
		if err := r.Scale(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		r.until(t, "one more", ready(n, 1))
	}
	r.Signal(syscall.SIGTERM)
	if got := <-r.result; got.Code != 0 {
		t.Errorf("%+v", got)
	}
	// A dozen things are told on the way, and each would have waited for five seconds.
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("start, scaling and stop took %v: they waited for the service manager", took)
	}
}

// What a stop makes meaningless is refused, not accepted and forgotten.
func TestRequestsDuringAStopAreRefused(t *testing.T) {
	r := start(t, "stubborn", "--workers", "1")
	r.until(t, "the start", ready(1, 1))
	r.Signal(syscall.SIGTERM)
	r.until(t, "the stop", func(st control.Status) bool { return st.State == "stopping" })
	if err := r.Scale(t.Context(), 2); !errors.Is(err, errStopped) {
		t.Errorf("scale: %v", err)
	}
	if _, err := r.Reload(t.Context(), false); !errors.Is(err, errStopped) {
		t.Errorf("reload: %v", err)
	}
	if err := r.Stop(t.Context(), true); err != nil {
		t.Error(err)
	}
	<-r.result
	if n := strings.Count(r.everything(), "worker ready"); n != 1 {
		t.Errorf("ready was logged %d times", n)
	}
}

// Two hundred workers take seconds to start. A status does not wait for them,
// and TERM calls off those that have not been started.
func TestWorkersAreStartedBetweenMessages(t *testing.T) {
	r := build(t, "good", "--workers", "200")
	r.step(arbiter.Start{}) // as Run does first
	r.spawn()
	if st := r.status(); len(st.Workers) != 200 || st.Workers[0].PID == 0 || st.Workers[1].PID != 0 || st.Workers[199].State != "starting" {
		t.Fatalf("%d workers, %+v", len(st.Workers), st.Workers[:2])
	}
	r.Signal(syscall.SIGINT) // waits in the inbox
	if got := r.Run(t.Context()); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if n := strings.Count(r.everything(), "worker started"); n > 100 {
		t.Errorf("%d workers were started before the signal was heard", n)
	}
}
