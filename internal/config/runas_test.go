package config

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunAs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: others are refused, see TestRunAsRefused")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("this system has no user nobody: ", err)
	}
	uid, _ := id(nobody.Uid)
	gid, _ := id(nobody.Gid)
	for _, c := range []struct {
		args   []string
		want   RunAs
		groups []int
		nnp    bool
	}{
		{[]string{"--user=nobody"}, RunAs{UID: uid, GID: gid, Name: "nobody", Home: nobody.HomeDir, Changes: true}, []int{gid}, true},
		{[]string{"--user", nobody.Uid}, RunAs{UID: uid, GID: gid, Name: "nobody", Home: nobody.HomeDir, Changes: true}, []int{gid}, true},
		{[]string{"--user=nobody", "--group=7"}, RunAs{UID: uid, GID: 7, Name: "nobody", Home: nobody.HomeDir, Changes: true}, []int{7, gid}, true},
		{[]string{"--user=54321", "--group=7", "--no-new-privs=off"}, RunAs{UID: 54321, GID: 7, Home: "/", Changes: true}, []int{7}, false},
		{[]string{"--group=root"}, RunAs{UID: 0, GID: 0}, []int{0}, false},
	} {
		l, err := Load(c.args, nil)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		got := *l.RunAs
		got.Groups = nil
		if fmt.Sprint(got) != fmt.Sprint(c.want) || bool(l.NoNewPrivs) != c.nnp {
			t.Errorf("%v: %+v, no new privileges %v", c.args, *l.RunAs, l.NoNewPrivs)
		}
		for _, g := range c.groups {
			if !slices.Contains(l.RunAs.Groups, g) {
				t.Errorf("%v: groups %v lack %d", c.args, l.RunAs.Groups, g)
			}
		}
	}
}

func TestAccountsThatCannotBe(t *testing.T) {
	for _, c := range [][2]string{
		{"--user=no-such-user", `--user: "no-such-user" (from flag --user) is not in the user database`},
		{"--group=no-such-group", `--group: "no-such-group" (from flag --group) is not in the group database`},
		{"--user=54321", `--user: "54321" (from flag --user) has no entry in the user database, so its group is not known: give --group too`},
		{"--user=4294967295", `is not in the user database`},
		{"--user=a:b", `is not a name or number`},
	} {
		_, err := Load([]string{c[0]}, nil)
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
}

// Who is not root can only run workers as itself.
func TestRunAsRefused(t *testing.T) {
	if missingCapabilities() == "" {
		t.Skip("this process may change to any user")
	}
	own := fmt.Sprint(os.Getuid())
	l, err := Load([]string{"--user", own, "--group", fmt.Sprint(os.Getgid())}, nil)
	if err != nil || l.RunAs != nil {
		t.Errorf("our own user: %v, %v", l, err)
	}
	if _, err := Load([]string{"--user=0", "--group=0"}, nil); err == nil || !strings.Contains(err.Error(), "needs root, or the capabilities CAP_") {
		t.Error(err)
	}
}

// What the environment says of the supervisor's user is wrong for another.
func TestTheEnvironmentOfAnotherUser(t *testing.T) {
	environ := []string{"HOME=/root", "USER=root", "LOGNAME=root", "MAIL=/var/mail/root", "XDG_RUNTIME_DIR=/run/user/0", "LANG=C"}
	file := EnvFile{Vars: []EnvVar{{Key: "LOGNAME", Value: "given"}, {Key: "LANG", Value: "de"}}}
	l := &Loaded{environ: environ, EnvFile: file, RunAs: &RunAs{UID: 33, Name: "www", Home: "/var/www", Changes: true}}
	if got, want := l.WorkerEnv(), []string{"LANG=C", "LOGNAME=given", "HOME=/var/www", "USER=www"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	l.RunAs = &RunAs{Changes: false} // another group only
	if got := l.WorkerEnv(); !slices.Equal(got, environ) {
		t.Errorf("%q, want %q", got, environ)
	}
	l.RunAs = &RunAs{UID: 4242, Home: "/", Changes: true} // no entry
	if got, want := l.WorkerEnv(), []string{"LANG=C", "LOGNAME=given", "HOME=/"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRlimits(t *testing.T) {
	for text, want := range map[string]Rlimits{
		"":                       nil,
		"nofile=1024":            {{"nofile", unix.RLIMIT_NOFILE, 1024, 1024}},
		"NOFILE=512:1Ki, core=0": {{"nofile", unix.RLIMIT_NOFILE, 512, 1024}, {"core", unix.RLIMIT_CORE, 0, 0}},
		"as=1G:unlimited":        {{"as", unix.RLIMIT_AS, 1 << 30, math.MaxUint64}},
	} {
		var got, again Rlimits
		if err := got.Set(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err := again.Set(got.String()); err != nil || !slices.Equal(again, got) {
			t.Errorf("%q prints as %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"nofile": "NAME=SOFT", "files=3": "one of as, core", "nofile=2:1": "above the hard one", "nofile=x": "not a number",
		"nofile=1,nofile=2": "names nofile twice", "nofile=": "not a number", "nofile=1:": "not a number", ",": "NAME=SOFT", "nofile=-1": "not a number",
	} {
		var r Rlimits
		if err := r.Set(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	l, err := Load([]string{"--rlimit", "core=0", "--rlimit=cpu=60"}, []string{"SUPERVISOR_RLIMIT=nofile=3"})
	if err != nil || l.Rlimit.String() != "core=0,cpu=60" {
		t.Errorf("%v, %v", l, err)
	}
	if !mayRaiseLimits() {
		var now syscall.Rlimit
		_ = syscall.Getrlimit(unix.RLIMIT_NOFILE, &now)
		if _, err := Load([]string{fmt.Sprintf("--rlimit=nofile=%d", now.Max+1)}, nil); err == nil || !strings.Contains(err.Error(), "above its hard limit") {
			t.Error(err)
		}
	}
}
