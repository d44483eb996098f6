package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// StateDir is the directory for what outlives a supervisor, or [Off]. In a
// [Loaded] it is absolute.
type StateDir string

// Set reads a path or off.
func (d *StateDir) Set(text string) error {
	if text == "" {
		return errors.New("is empty: give a path, or off")
	}
	return (*Path)(d).Set(text)
}

func (d StateDir) String() string { return string(d) }

func (d *StateDir) from(dir string) {
	if *d != Off {
		(*Path)(d).from(dir)
	}
}

// defaultStateDir says where the state directory is unless somebody says
// otherwise, and by which rule.
func defaultStateDir(env map[string]string) (path, how string) {
	// systemd gives several directories separated by colons; the first is ours.
	if dir, _, _ := strings.Cut(env["STATE_DIRECTORY"], ":"); filepath.IsAbs(dir) {
		return filepath.Clean(dir), "$STATE_DIRECTORY"
	}
	if dir := env["XDG_STATE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "tandem"), "in $XDG_STATE_HOME"
	}
	if dir := env["HOME"]; filepath.IsAbs(dir) && filepath.Clean(dir) != "/" {
		return filepath.Join(dir, ".local", "state", "tandem"), "in $HOME"
	}
	return fmt.Sprintf("/tmp/tandem-%d", os.Getuid()), "in /tmp"
}

// StatePath says where a command finds what a supervisor has left: the path of
// its flag --state-dir unless that is "", else what the environment says. It may
// be [Off].
func StatePath(flag string, environ []string) (string, error) {
	text, from := flag, Origin{Source: FromFlag, Name: "--state-dir"}
	if env := environment(environ); flag == "" {
		var ok bool
		if text, ok = env.values[prefix+"_STATE_DIR"]; !ok {
			path, _ := defaultStateDir(env.values)
			return path, nil
		}
		from = env.origin(prefix + "_STATE_DIR")
	}
	var dir StateDir
	if err := dir.Set(text); err != nil {
		return "", badValue("state-dir", text, from, err)
	}
	if dir == Off {
		return Off, nil
	}
	path, err := filepath.Abs(string(dir))
	if err != nil {
		return "", fmt.Errorf("find the working directory, from which --state-dir %s begins: %w", text, err)
	}
	return path, nil
}
