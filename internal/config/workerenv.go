package config

import (
	"slices"
	"strings"
)

// WorkerEnv gives the environment that a worker starts from, as KEY=VALUE, in a
// slice of its own: the supervisor's environment without what is private to the
// supervisor, then the keys of the env file that the environment does not have.
//
// Private are the supervisor's settings (SUPERVISOR_*), the worker protocol of a
// supervisor above this one (TANDEM_*) and what systemd tells this one process
// about itself: its sockets, its notify socket, its watchdog, its descriptor
// store, its invocation and the journal behind its stderr, which for a worker is
// a pipe. What systemd says about the service as a whole stays, for the worker
// is part of it: RUNTIME_DIRECTORY and its kin, CREDENTIALS_DIRECTORY,
// MEMORY_PRESSURE_WATCH. Workers of another user get that user's HOME and the
// like instead of the supervisor's.
func (l *Loaded) WorkerEnv() []string {
	var env []string
	ours := environment(l.environ)
	for _, key := range ours.order {
		if !l.withheld(key) {
			env = append(env, key+"="+ours.values[key])
		}
	}
	for _, v := range l.fromFile() {
		env = append(env, v.Key+"="+v.Value)
	}
	return append(env, l.ofAccount()...)
}

// FileKeys gives the keys that workers get from the env file.
func (l *Loaded) FileKeys() []string {
	var keys []string
	for _, v := range l.fromFile() {
		keys = append(keys, v.Key)
	}
	return keys
}

func (l *Loaded) fromFile() []EnvVar {
	ours := environment(l.environ)
	return slices.DeleteFunc(slices.Clone(l.EnvFile.Vars), func(v EnvVar) bool {
		_, both := ours.values[v.Key]
		return both && !l.withheld(v.Key) || private(v.Key)
	})
}

var privateNames = map[string]bool{
	"NOTIFY_SOCKET": true, "FDSTORE": true, "MAINPID": true, "MANAGERPID": true, "MANAGERPIDFDID": true,
	"SYSTEMD_EXEC_PID": true, "INVOCATION_ID": true, "JOURNAL_STREAM": true,
}

func private(key string) bool {
	return privateNames[key] ||
		strings.HasPrefix(key, prefix+"_") ||
		strings.HasPrefix(key, "TANDEM_") ||
		strings.HasPrefix(key, "LISTEN_") ||
		strings.HasPrefix(key, "WATCHDOG_")
}
