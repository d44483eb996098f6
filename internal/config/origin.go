package config

import "fmt"

// Source is a place that values come from. A greater one wins.
type Source uint8

// The sources, the weakest first.
const (
	FromDefault Source = iota
	FromEnvFile
	FromEnvironment
	FromFlag
)

// Origin says where a value came from.
type Origin struct {
	Source Source
	Name   string // the flag or the variable; for a default, how it was worked out, or ""
	File   string // of an env file: its path
	Line   int    // of an env file: the line, from 1
}

// String is what check prints: "flag --workers", "environment SUPERVISOR_WORKERS",
// "env file /etc/x line 3" or "default".
func (o Origin) String() string {
	switch o.Source {
	case FromFlag:
		return "flag " + o.Name
	case FromEnvironment:
		return "environment " + o.Name
	case FromEnvFile:
		return fmt.Sprintf("env file %s line %d", o.File, o.Line)
	}
	if o.Name != "" {
		return "default (" + o.Name + ")"
	}
	return "default"
}

// Origins maps the name of a setting, without dashes in front, to where its
// value came from. It has an entry for every setting.
type Origins map[string]Origin

// UsageError is a mistake in flags, variables or env file: one line that names
// the setting and where it came from. The supervisor exits with 2 for it.
type UsageError struct {
	Setting string // "workers", or "" when it is not about one setting
	Origin  Origin
	text    string
	cause   error
}

func (e *UsageError) Error() string { return e.text }

// Unwrap gives the error of the operating system behind the mistake, if any.
func (e *UsageError) Unwrap() error { return e.cause }

func usagef(format string, args ...any) *UsageError {
	return &UsageError{text: fmt.Sprintf(format, args...)}
}

// badValue is the line for a value that cannot be used as it is.
func badValue(flag, text string, from Origin, problem error) *UsageError {
	return &UsageError{
		Setting: flag,
		Origin:  from,
		text:    fmt.Sprintf("--%s: %q (from %s) %v", flag, text, from, problem),
		cause:   problem,
	}
}
