package upgrade

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

type part struct {
	N  int
	FD int
}

// save makes a state with one part called "p" that has a descriptor.
func save(t *testing.T, fd int) *Sealed {
	t.Helper()
	s := NewSaver(&Program{path: "/x"}, "v1")
	if err := s.Put("p", func(keep Keep) (any, error) { return part{7, keep(fd)}, nil }); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sealed.Close() })
	return sealed
}

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func checkPart(t *Taken, name string) error {
	var p part
	if _, err := t.Get(name, &p); err != nil {
		return err
	}
	fd, err := t.FD(p.FD)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func TestAStateGoesOver(t *testing.T) {
	r, _ := pipe(t)
	sealed := save(t, r)
	if _, err := unix.Write(sealed.FD, []byte("x")); err == nil {
		t.Error("a sealed state was changed")
	}
	taken, err := open(sealed.FD)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.check(map[string]Check{"p": checkPart}); err != nil {
		t.Error(err)
	}
	var p part
	if found, err := taken.Get("p", &p); !found || err != nil || p.N != 7 || p.FD != r {
		t.Errorf("%v, %v: %+v", found, err, p)
	}
	if found, err := taken.Get("other", &p); found || err != nil {
		t.Errorf("a part that is not there: %v, %v", found, err)
	}
	if args := taken.Args(); !slices.Equal(args, os.Args) {
		t.Errorf("%q", args)
	}
	if _, err := taken.FD(sealed.FD); err == nil {
		t.Error("a descriptor that was not kept was given out")
	}
	if taken.From() != "v1" || taken.Elapsed() <= 0 {
		t.Errorf("from %s, %v ago", taken.From(), taken.Elapsed())
	}
}

func TestAPartThatIsNotKnownIsRefused(t *testing.T) {
	r, _ := pipe(t)
	taken, err := open(save(t, r).FD)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.check(nil); err == nil || !strings.Contains(err.Error(), `"p"`) {
		t.Error(err)
	}
	if err := taken.check(map[string]Check{"p": Decodes[[]string]}); err == nil {
		t.Error("an object was decoded into a list")
	}
}

func TestADescriptorThatIsGoneOrAnother(t *testing.T) {
	r, w := pipe(t)
	fd, err := unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	sealed := save(t, fd)
	unix.Close(fd)
	if _, err := open(sealed.FD); err == nil {
		t.Error("a closed descriptor was not noticed")
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	if null != fd { // the lowest number that is free is likely the one just closed
		if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	if _, err := open(sealed.FD); err == nil {
		t.Error("another object under the same number was not noticed")
	}
	if _, err := open(w); err == nil {
		t.Error("a pipe passed for a state")
	}
	if _, err := open(-1); err == nil {
		t.Error("nothing passed for a state")
	}
}

func TestAnUnsealedOrBrokenMemfdIsNoState(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "garbage": "]", "another version": `{"protocol":2}`, "no nonce": `{"protocol":1}`,
	} {
		for _, sealed := range []bool{false, true} {
			fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(fd), "state")
			defer f.Close()
			if _, err := f.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if sealed {
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := open(fd); err == nil {
				t.Errorf("%s, sealed %v: it passed for a state", name, sealed)
			}
		}
	}
}

func TestWithoutAStateNothingIsFound(t *testing.T) {
	var taken *Taken
	if found, err := taken.Get("p", nil); found || err != nil {
		t.Error(found, err)
	}
	taken.Commit()
}
