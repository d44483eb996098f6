package watch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a Watcher whose quiet time the test lets pass.
type bench struct {
	*testing.T
	dir   string
	told  chan string         // what Changed was called with
	asked chan chan time.Time // each: something happened, and the quiet time began anew
	quiet chan time.Time      // the last of them
	print string              // the last that was told
	fails chan error
}

func table(t *testing.T) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{T: t, dir: dir, told: make(chan string), asked: make(chan chan time.Time), fails: make(chan error, 9)}
}

func (b *bench) run(paths ...string) {
	b.Helper()
	done := make(chan struct{})
	w, err := New(Options{
		Paths: func() []string { return paths },
		Changed: func(print string) {
			select {
			case b.told <- print:
			case <-done:
			}
		},
		Failed: func(err error) { b.fails <- err },
		after: func(time.Duration) <-chan time.Time {
			c := make(chan time.Time, 1)
			select {
			case b.asked <- c:
			case <-done:
			}
			return c
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(done)
	}()
	b.Cleanup(func() {
		close(done)
		<-ended
		select {
		case err := <-b.fails:
			b.Error(err)
		default:
		}
	})
	b.print = <-b.told
}

// happens waits until an event was noticed.
func (b *bench) happens(what string) {
	b.Helper()
	select {
	case b.quiet = <-b.asked:
	case print := <-b.told:
		b.Fatalf("%s: told before it was quiet: %s", what, print)
	case <-time.After(20 * time.Second):
		b.Fatalf("%s: nothing was noticed", what)
	}
}

// settles lets the quiet time pass, however often it begins anew, until what is
// told is what is there, and reports whether that differs from before.
func (b *bench) settles(what string, paths ...string) bool {
	b.Helper()
	want := Print(paths)
	for {
		select {
		case quiet := <-b.asked:
			quiet <- time.Time{}
		case print := <-b.told:
			if print == want {
				changed := print != b.print
				b.print = print
				return changed
			}
		case <-time.After(20 * time.Second):
			b.Fatalf("%s: was not told", what)
		}
	}
}

func (b *bench) write(path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func TestWhatIsNoticed(t *testing.T) {
	for name, c := range map[string]struct{ before, change func(b *bench, at string) }{
		"written in place": {
			func(b *bench, at string) { b.write(at, "one") },
			func(b *bench, at string) { b.write(at, "two!") },
		},
		"renamed over, as editors do": {
			func(b *bench, at string) { b.write(at, "one") },
			func(b *bench, at string) { b.write(at+"~", "two"); b.must(os.Rename(at+"~", at)) },
		},
		"removed and made again, as linkers do": {
			func(b *bench, at string) { b.write(at, "one") },
			func(b *bench, at string) { b.must(os.Remove(at)); b.write(at, "two") },
		},
		"removed": {
			func(b *bench, at string) { b.write(at, "one") },
			func(b *bench, at string) { b.must(os.Remove(at)) },
		},
		"made executable": {
			func(b *bench, at string) { b.write(at, "one"); b.must(os.Chmod(at, 0o600)) },
			func(b *bench, at string) { b.must(os.Chmod(at, 0o700)) },
		},
		"comes late, with its directories": {
			func(b *bench, at string) { b.must(os.RemoveAll(filepath.Dir(filepath.Dir(at)))) },
			func(b *bench, at string) { b.must(os.MkdirAll(filepath.Dir(at), 0o700)); b.write(at, "one") },
		},
		"its directories are removed and made again": {
			func(b *bench, at string) { b.write(at, "one") },
			func(b *bench, at string) {
				b.must(os.RemoveAll(filepath.Dir(filepath.Dir(at))))
				b.must(os.MkdirAll(filepath.Dir(at), 0o700))
				b.write(at, "two")
			},
		},
		"a link to it points elsewhere": {
			func(b *bench, at string) {
				b.write(b.dir+"/v1", "1")
				b.write(b.dir+"/v2", "2")
				b.must(os.Symlink("../../v1", at))
			},
			func(b *bench, at string) { b.must(os.Symlink("../../v2", at+"~")); b.must(os.Rename(at+"~", at)) },
		},
		"what a link leads to is written": {
			func(b *bench, at string) { b.write(b.dir+"/v1", "1"); b.must(os.Symlink(b.dir+"/./v1", at)) },
			func(b *bench, at string) { b.write(b.dir+"/v1", "2!") },
		},
		"a link on the way points elsewhere": {
			func(b *bench, at string) {
				b.must(os.RemoveAll(filepath.Dir(at)))
				for _, v := range []string{"/v1", "/v2"} {
					b.must(os.Mkdir(b.dir+v, 0o700))
					b.write(b.dir+v+"/app", v)
				}
				b.must(os.Symlink("../v1", filepath.Dir(at)))
			},
			func(b *bench, at string) {
				b.must(os.Remove(filepath.Dir(at)))
				b.must(os.Symlink("../v2", filepath.Dir(at)))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := table(t)
			at := b.dir + "/srv/bin/app"
			b.must(os.MkdirAll(filepath.Dir(at), 0o700))
			c.before(b, at)
			b.run(at)
			if b.print != Print([]string{at}) {
				t.Errorf("at first %q is told", b.print)
			}
			c.change(b, at)
			if !b.settles(name, at) {
				t.Errorf("the print is that of before: %s", b.print)
			}
			// And it goes on.
			_ = os.Remove(at)
			b.must(os.WriteFile(at, []byte("more of it"), 0o700))
			if !b.settles("the next change", at) {
				t.Error("the next change is not told")
			}
		})
	}
}

// A file that is being written is not told of: each piece begins the quiet time anew.
func TestQuietBeginsAnew(t *testing.T) {
	b := table(t)
	b.run(b.dir + "/app")
	f, err := os.Create(b.dir + "/app")
	b.must(err)
	defer f.Close()
	b.happens("creation")
	first := b.quiet
	for _, piece := range []string{"half ", "of it"} {
		_, err = f.WriteString(piece)
		b.must(err)
		b.happens(piece)
	}
	first <- time.Time{} // of no consequence
	b.must(f.Close())
	if !b.settles("the end", b.dir+"/app") {
		t.Error("it is not told")
	}
}

// What happens to a neighbour is nobody's business; what happens to one of two
// files is.
func TestNeighbours(t *testing.T) {
	dir := t.TempDir()
	w, err := New(Options{Paths: func() []string { return []string{dir + "/app", dir + "/env"} }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	w.walk()
	for _, c := range []struct {
		name  string
		moves bool
	}{{"app.log", false}, {"env", true}, {"ap", false}, {"app", true}} {
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		// Others make files in the directories above, too; the closing is the last of ours.
		buf := make([]byte, 4096)
		moves, closed := false, false
		for !closed {
			n, err := w.file.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			list := parse(buf[:n])
			moves = w.matter(list) || moves
			closed = slices.ContainsFunc(list, func(e event) bool { return e.name == c.name && e.mask&unix.IN_CLOSE_WRITE != 0 })
		}
		if moves != c.moves {
			t.Errorf("%s matters: %v", c.name, !c.moves)
		}
	}
	if !w.matter([]event{{wd: -1, mask: unix.IN_Q_OVERFLOW}}) {
		t.Error("lost events do not matter")
	}
}

// A link that leads to itself ends somewhere, and so does one to nothing.
func TestLinksWithoutEnd(t *testing.T) {
	b := table(t)
	at := []string{b.dir + "/a/x", b.dir + "/lost"}
	b.run(at...)
	b.must(os.Symlink("b", b.dir+"/b"))
	b.must(os.Symlink("b", b.dir+"/a"))
	b.must(os.Symlink("nowhere/at/all", b.dir+"/lost"))
	b.settles("links", at...)
	b.must(os.Remove(b.dir + "/a"))
	b.must(os.Mkdir(b.dir+"/a", 0o700))
	b.write(b.dir+"/a/x", "found")
	if !b.settles("the file", at...) {
		t.Error("it is not told")
	}
}

// What cannot be watched is said, once; what has just gone is not worth a word.
func TestADirectoryThatCannotBeWatched(t *testing.T) {
	said := 0
	w, err := New(Options{Failed: func(error) { said++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	for range 3 {
		w.fail("/srv", unix.EACCES)
		w.fail("/srv/gone", unix.ENOENT)
	}
	if said != 1 {
		t.Errorf("said %d times", said)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'a', 'p', 'p', 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range parse(b) {
			if strings.Contains(e.name, "\x00") {
				t.Errorf("%+v", e)
			}
		}
	})
}
