package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// prefix of the variables that are settings.
const prefix = "SUPERVISOR"

// Loaded is a set of settings that is valid as a whole, and where it came from.
// It is never changed after [Load] has returned it and may be read by any
// number of goroutines.
type Loaded struct {
	Settings

	// Command is the worker's command line as it was given after "--"; empty
	// means app, see [ResolveCommand].
	Command []string

	// Origins says of every setting where its value came from.
	Origins Origins

	// EnvFile is what the env file held; empty without one. Its values are
	// secrets.
	EnvFile EnvFile

	// Ignored lists the SUPERVISOR_* variables that others inject and that were
	// therefore not taken for mistakes: "NAME (why)".
	Ignored []string

	// RunAs is whom the workers run as; nil: as the supervisor does.
	RunAs *RunAs

	// Warnings are remarks about settings that work but may surprise.
	Warnings []string

	args    []string
	environ []string
	dir     string // where relative paths begin
}

// Load reads the arguments (without the program's name), the environment (as
// from os.Environ) and the env file that they name. Its error is a [*UsageError]
// that names the setting and where the value came from.
//
// For the length of the call the process environment may have other SUPERVISOR_*
// variables than before and after it: see the package comment.
func Load(args, environ []string) (*Loaded, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working directory, from which relative paths begin: %w", err)
	}
	return load(slices.Clone(args), slices.Clone(environ), dir, nil)
}

// Reload reads the env file afresh, with the arguments and the environment of the
// Load before. It fails, and names the settings, when one differs that cannot
// change while the supervisor runs. l stays as it is.
func (l *Loaded) Reload() (*Loaded, error) {
	next, err := load(l.args, l.environ, l.dir, nil)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, s := range all {
		was, is := s.Text(&l.Settings), s.Text(&next.Settings)
		if was != is && !s.Live {
			changed = append(changed, fmt.Sprintf("--%s from %q (%s) to %q (%s)", s.Name, was, l.Origins[s.Name], is, next.Origins[s.Name]))
		}
	}
	if len(changed) > 0 {
		return nil, usagef("a reload cannot change %s; restart the supervisor for it, or take the change back", strings.Join(changed, ", "))
	}
	return next, nil
}

// load reads the env file unless its content is given.
func load(args, environ []string, dir string, file *EnvFile) (*Loaded, error) {
	l := &Loaded{Settings: defaults(), Origins: make(Origins), args: args, environ: environ, dir: dir}
	for _, s := range all {
		l.Origins[s.Name] = Origin{Name: s.Auto}
	}
	flags, err := l.parse(args)
	if err != nil {
		return nil, err
	}
	env := environment(environ)
	if file != nil {
		l.EnvFile = *file
	} else if l.EnvFile, err = findEnvFile(flags, env, dir); err != nil {
		return nil, err
	}
	layers := []layer{l.EnvFile.layer(), env}
	for _, from := range layers {
		ignored, err := from.decode(&l.Settings, l.Origins)
		if err != nil {
			return nil, err
		}
		l.Ignored = append(l.Ignored, ignored...)
	}
	for _, f := range flags {
		if err := f.apply(l); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{
		func() error { return borrow(l, layers) },
		func() error { l.complete(); return nil },
		l.checkRanges,
		l.checkPaths,
		l.checkAccount,
		l.checkRlimits,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	l.remark(env)
	return l, nil
}

// given is a flag as it stands on the command line.
type given struct {
	Setting
	text string
}

// parse reads the command line without applying it.
func (l *Loaded) parse(args []string) ([]given, error) {
	var list []given
	words, command, found, err := ParseFlags(args, flags(func(s Setting, text string) error {
		list = append(list, given{s, text})
		return nil
	}), false)
	if err != nil {
		return nil, err
	}
	if len(words) > 0 {
		return nil, usagef("unexpected argument %q; the command of the workers comes after --: supervisor [flags] -- %s", words[0], strings.Join(words, " "))
	}
	if found && (len(command) == 0 || command[0] == "") {
		return nil, usagef("there is no command after --; name one, or leave -- away to run app")
	}
	l.Command = command
	return list, nil
}

// flags gives one flag for each setting.
func flags(set func(s Setting, text string) error) []Flag {
	var list []Flag
	for _, s := range all {
		list = append(list, Flag{Name: s.Name, Arg: s.Arg, Set: func(text string) error { return set(s, text) }})
	}
	return list
}

func (g given) apply(l *Loaded) error {
	from := Origin{Source: FromFlag, Name: "--" + g.Name}
	set := g.in(&l.Settings).Set
	if more, ok := g.in(&l.Settings).(adder); ok && l.Origins[g.Name] == from {
		set = more.Add
	}
	if err := set(g.text); err != nil {
		return badValue(g.Name, g.text, from, err)
	}
	l.Origins[g.Name] = from
	return nil
}

// findEnvFile reads the env file that the flags or the environment name.
func findEnvFile(flags []given, env layer, dir string) (EnvFile, error) {
	path, from := env.values[prefix+"_ENV_FILE"], env.origin(prefix+"_ENV_FILE")
	for _, f := range flags {
		if f.Name == "env-file" {
			path, from = f.text, Origin{Source: FromFlag, Name: "--env-file"}
		}
	}
	if path == "" {
		return EnvFile{}, nil
	}
	file, err := readEnvFile(join(dir, path))
	if err != nil {
		return EnvFile{}, &UsageError{Setting: "env-file", Origin: from, cause: err, text: fmt.Sprintf("--env-file (from %s): %v", from, err)}
	}
	return file, nil
}

// complete works out the defaults that depend on other things and makes paths
// absolute, so that they mean the same at a reload from another directory.
func (l *Loaded) complete() {
	if l.Origins["reload-timeout"].Source == FromDefault {
		l.ReloadTimeout = l.BootTimeout + l.Bake + Duration(30*time.Second)
	}
	if l.Origins["control"].Source == FromDefault {
		path, how := defaultControl(environment(l.environ).values)
		l.Control, l.Origins["control"] = Socket(path), Origin{Name: how}
	}
	if l.Origins["state-dir"].Source == FromDefault {
		path, how := defaultStateDir(environment(l.environ).values)
		l.StateDir, l.Origins["state-dir"] = StateDir(path), Origin{Name: how}
	}
	for _, s := range all {
		if p, ok := s.in(&l.Settings).(interface{ from(dir string) }); ok {
			p.from(l.dir)
		}
	}
}

// defaultControl says where the control socket is unless somebody says
// otherwise, and by which rule.
func defaultControl(env map[string]string) (path, how string) {
	// systemd gives several directories separated by colons; the first is ours.
	if dir, _, _ := strings.Cut(env["RUNTIME_DIRECTORY"], ":"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "supervisor.sock"), "in $RUNTIME_DIRECTORY"
	}
	if dir := env["XDG_RUNTIME_DIR"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "tandem", "supervisor.sock"), "in $XDG_RUNTIME_DIR"
	}
	return fmt.Sprintf("/tmp/tandem-%d/supervisor.sock", os.Getuid()), "in /tmp"
}

// ControlPath says where a command finds the supervisor: the path of its flag
// --control unless that is "", else what the environment says.
func ControlPath(flag string, environ []string) (string, error) {
	path, from, err := controlPath(flag, environ)
	if err == nil && path == Off {
		err = badValue("control", Off, from, errors.New("names no socket to talk to"))
	}
	if err != nil {
		return "", err
	}
	return path, nil
}

// ControlSocket is as [ControlPath], but may be [Off].
func ControlSocket(flag string, environ []string) (string, error) {
	path, _, err := controlPath(flag, environ)
	return path, err
}

func controlPath(flag string, environ []string) (string, Origin, error) {
	text, from := flag, Origin{Source: FromFlag, Name: "--control"}
	if env := environment(environ); flag == "" {
		var ok bool
		if text, ok = env.values[prefix+"_CONTROL"]; !ok {
			path, _ := defaultControl(env.values)
			return path, Origin{}, nil
		}
		from = env.origin(prefix + "_CONTROL")
	}
	var path Socket
	if err := path.Set(text); err != nil {
		return "", from, badValue("control", text, from, err)
	}
	return string(path), from, nil
}
