package scaffold

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// A source that nobody has named, and that others may write to, is not what an application is built with.
func TestSourceOfOthers(t *testing.T) {
	me := os.Geteuid()
	for _, c := range []struct {
		mode  os.FileMode
		other bool   // it is another user's
		why   string // "" where it is taken
	}{
		{0o755, false, ""},
		{0o700, false, ""},
		{0o757, false, "everybody may write to it (mode 0757)"},
		{0o777 | os.ModeSticky, false, "everybody may write to it (mode 0777)"},
		{0o775, false, "the group with gid 54321 may write to it (mode 0775)"},
		{0o755, true, "it belongs to uid 54321, not to you"},
	} {
		source := checkout(t, Tandem)
		if c.other || c.mode&0o020 != 0 {
			if me != 0 {
				continue // it takes root to give it away
			}
			uid := me
			if c.other {
				uid = 54321
			}
			if err := os.Chown(source, uid, 54321); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(source, c.mode); err != nil {
			t.Fatal(err)
		}
		info := &debug.BuildInfo{Main: debug.Module{Path: Tandem, Version: "v0.0.0", Replace: &debug.Module{Path: source}}}
		for how, build := range map[string]Build{
			"above":             {Near: []string{filepath.Join(source, "a", "bin"), checkout(t, Tandem)}},
			"that replaced one": {Info: info},
		} {
			got, err := build.Origin()
			switch {
			case c.why == "" && (err != nil || got.Source != source):
				t.Errorf("%v, %s: %+v, %v", c.mode, how, got, err)
			case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), "in "+source+" is not taken") || !strings.Contains(err.Error(), "by --source DIR")):
				t.Errorf("%v, %s: %+v, %v; want %q", c.mode, how, got, err, c.why)
			}
		}
		if o, err := At(source); err != nil || o.Source != source {
			t.Errorf("%v, named: %+v, %v", c.mode, o, err)
		}
	}
}

// Without root: what belongs to nobody else is held against another user.
func TestDistrust(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	if why := distrust(dir, me); why != "" {
		t.Error(why)
	}
	why, want := distrust(dir, me+1), fmt.Sprintf("not to you (uid %d)", me+1)
	if me == 0 {
		want = "" // root's is trusted
	}
	if !strings.Contains(why, want) || (why == "") != (want == "") {
		t.Errorf("%q, want %q", why, want)
	}
	if why := distrust(filepath.Join(dir, "gone"), me); !strings.Contains(why, "no such file") {
		t.Errorf("%q", why)
	}
	// A user's own group has the name of the user; root's is one on every system.
	if !private(0, 0) || private(54321, 0) || private(0, 54321) {
		t.Errorf("group 0: %t, %t; group 54321: %t", private(0, 0), private(0, 54321), private(54321, 0))
	}
}
