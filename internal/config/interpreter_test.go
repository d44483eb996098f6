package config

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is refused is what the kernel, or env, does not run; all else passes.
func TestCheckInterpreter(t *testing.T) {
	dir := t.TempDir()
	program(t, dir+"/bin/there", 0o755)
	environ := []string{"A=b", "PATH=" + dir + "/none:" + dir + "/bin"}
	long := "/" + strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		text string
		says string // "": it passes
		code int    // that it exits with; -1: the kernel does not run it
	}{
		"a script":                      {text: "#!/bin/sh\nexit 3\n", code: 3},
		"spaces and an argument":        {text: "#! \t/bin/sh -e \nfalse\nexit 3\n", code: 1},
		"one line that has no end":      {text: "#!/bin/true"},
		"no script":                     {text: "exit 3\n", code: -1},
		"empty":                         {code: -1},
		"no name":                       {text: "#! \n", code: -1},
		"a name that is too long":       {text: "#!" + long + "\n", code: -1},
		"from the workers' directory":   {text: "#!bin/there\n"},
		"it is gone":                    {text: "#!/opt/gone/python -u\n", says: `its first line names the interpreter "/opt/gone/python", which does not exist`, code: -1},
		"it lies in a file":             {text: "#!" + dir + "/bin/there/python\n", says: `its first line names the interpreter "` + dir + `/bin/there/python", which does not exist`, code: -1},
		"lines of another system":       {text: "#!/bin/sh\r\nexit 3\r\n", says: `its first line names the interpreter "/bin/sh\r", which does not exist; the line ends with CR LF, make that LF`, code: -1},
		"by env":                        {text: "#!/usr/bin/env there\n"},
		"by env, not on PATH":           {text: "#!/usr/bin/env gone\n", says: `its first line names the interpreter /usr/bin/env "gone", and no "gone" is on the workers' PATH`, code: 127},
		"by env, which takes it as one": {text: "#!/usr/bin/env there -u\n", says: `its first line names the interpreter /usr/bin/env "there -u", and no "there -u" is on the workers' PATH`, code: 127},
		"by env, split":                 {text: "#!/usr/bin/env -S there -u\n"},
		"by env, with a path":           {text: "#!/usr/bin/env " + dir + "/bin/there\n"},
	} {
		path := filepath.Join(dir, "script")
		if err := os.WriteFile(path, []byte(c.text), 0o755); err != nil {
			t.Fatal(err)
		}
		err := CheckInterpreter("./script", path, environ)
		want := `worker command "./script" cannot be executed: ` + path + ": " + c.says
		switch command, ok := errors.AsType[*CommandError](err); {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!ok || !errors.Is(err, fs.ErrNotExist) || command.Error() != want):
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
		cmd := exec.CommandContext(t.Context(), path)
		cmd.Dir, cmd.Env = dir, environ
		ran := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: it ended with %v, want %d", name, ran, c.code)
		}
	}
}

// Where it cannot be told nothing is refused.
func TestCheckInterpreterNotKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	for argument, environ := range map[string]string{"gone": "A=b", "gone -u": "PATH=", "gone ": "PATH=/none:", " gone": "PATH=bin", "PATH=/bin gone": "PATH=/none"} {
		if err := os.WriteFile(path, []byte("#!/usr/bin/env "+argument+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := CheckInterpreter("x", path, []string{environ}); err != nil {
			t.Errorf("%s: %v", environ, err)
		}
	}
	if err := CheckInterpreter("x", path+"-that-is-not-there", nil); err != nil {
		t.Error(err)
	}
}
