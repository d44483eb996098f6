package config

import (
	"fmt"
	"strings"
)

// Saved is what a set of settings was made of, for another program that makes it
// anew in the same process: it has the same arguments and the same environment.
// The env file's content goes over, so that a change of the file waits for the
// next reload. All strings are bytes: the system takes any.
type Saved struct {
	Dir     []byte            `json:"dir"`
	Path    []byte            `json:"env_file,omitempty"`
	Vars    []savedVar        `json:"env_vars,omitempty"`
	Remarks []string          `json:"remarks,omitempty"`
	Fixed   map[string]string `json:"fixed"` // what cannot change while the supervisor runs
}

type savedVar struct {
	Key   []byte `json:"k"`
	Value []byte `json:"v"`
	Line  int    `json:"l"`
}

// Save gives what l was made of. It has the secrets of the env file.
func (l *Loaded) Save() Saved {
	s := Saved{Dir: []byte(l.dir), Path: []byte(l.EnvFile.Path), Remarks: l.EnvFile.remarks, Fixed: map[string]string{}}
	for _, v := range l.EnvFile.Vars {
		s.Vars = append(s.Vars, savedVar{[]byte(v.Key), []byte(v.Value), v.Line})
	}
	for _, set := range all {
		if !set.Live {
			s.Fixed[set.Name] = set.Text(&l.Settings)
		}
	}
	return s
}

// Restore makes the settings anew from the arguments (without the program's
// name), the environment and what was saved. It fails, and names the settings,
// when this program reads one of them differently that cannot change while the
// supervisor runs.
func Restore(args, environ []string, s Saved) (*Loaded, error) {
	file := EnvFile{Path: string(s.Path), remarks: s.Remarks}
	for _, v := range s.Vars {
		file.Vars = append(file.Vars, EnvVar{Key: string(v.Key), Value: string(v.Value), Line: v.Line})
	}
	l, err := load(args, environ, string(s.Dir), &file)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, set := range all {
		was, known := s.Fixed[set.Name]
		if is := set.Text(&l.Settings); known && !set.Live && was != is {
			changed = append(changed, fmt.Sprintf("--%s from %q to %q (%s)", set.Name, was, is, l.Origins[set.Name]))
		}
	}
	if len(changed) > 0 {
		return nil, usagef("this program would change %s, which cannot change while the supervisor runs; restart the service instead", strings.Join(changed, ", "))
	}
	return l, nil
}
