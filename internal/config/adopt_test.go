package config

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestRestore: the program that takes over reads the settings as the running one
// did, though the env file has changed or is gone: that waits for a reload.
func TestRestore(t *testing.T) {
	path := write(t, "SUPERVISOR_WORKERS=3\nSUPERVISOR_LOG_LEVEL=debug\nSECRET=\"a b\xff\"\n")
	args := []string{"--bind", "127.0.0.1:1", "--env-file", path, "--max-requests", "9", "--ready", "log:up", "--", "prog", "arg"}
	environ := []string{"SUPERVISOR_LAME_DUCK=4s", "HOME=/h", "BROKEN=\xfe"}
	was, err := Load(args, environ)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(was.Save())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var saved Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	is, err := Restore(args, environ, saved)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range All() {
		if a, b := s.Text(&was.Settings), s.Text(&is.Settings); a != b || was.Origins[s.Name] != is.Origins[s.Name] {
			t.Errorf("--%s was %q from %v, is %q from %v", s.Name, a, was.Origins[s.Name], b, is.Origins[s.Name])
		}
	}
	if a, b := was.WorkerEnv(), is.WorkerEnv(); !reflect.DeepEqual(a, b) {
		t.Errorf("workers had %q, have %q", a, b)
	}
	if !reflect.DeepEqual(was.Command, is.Command) {
		t.Errorf("the command was %q, is %q", was.Command, is.Command)
	}
	if err := os.WriteFile(path, []byte("SUPERVISOR_WORKERS=5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := is.Reload(); err != nil || again.Workers.Resolve(1) != 5 {
		t.Errorf("a reload afterwards: %v", err)
	}
}

// A program that would listen elsewhere, or write elsewhere, than the one that
// runs is refused, and says what of. What may change at a reload may change here.
func TestRestoreRefusesWhatCannotChange(t *testing.T) {
	args := []string{"--bind", "127.0.0.1:1", "--workers", "2"}
	l, err := Load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	saved := l.Save()
	if _, err := Restore([]string{"--bind", "127.0.0.1:1", "--workers", "7"}, nil, saved); err != nil {
		t.Errorf("another number of workers: %v", err)
	}
	saved.Fixed["of-a-newer-one"] = "x" // which this program does not have
	if _, err := Restore(args, nil, saved); err != nil {
		t.Errorf("a setting that is not known: %v", err)
	}
	saved.Fixed["bind"] = "tcp://127.0.0.1:2"
	_, err = Restore(args, nil, saved)
	for _, want := range []string{"--bind", `"tcp://127.0.0.1:2"`, `"tcp://127.0.0.1:1"`, "flag --bind", "restart"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
	if _, err := Restore([]string{"--flag-that-is-gone"}, nil, l.Save()); err == nil || !strings.Contains(err.Error(), "--flag-that-is-gone") {
		t.Errorf("a flag of the running one that this does not have: %v", err)
	}
}
