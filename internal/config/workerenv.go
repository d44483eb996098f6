package config

import "strings"

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
// MEMORY_PRESSURE_WATCH.
func (l *Loaded) WorkerEnv() []string {
	env := make([]string, 0, len(l.environ)+len(l.EnvFile.Vars))
	has := make(map[string]bool, len(l.environ))
	for _, kv := range l.environ {
		key, _, ok := strings.Cut(kv, "=")
		if !ok || key == "" || private(key) || has[key] {
			continue
		}
		has[key] = true
		env = append(env, kv)
	}
	for _, v := range l.EnvFile.Vars {
		if !private(v.Key) && !has[v.Key] {
			env = append(env, v.Key+"="+v.Value)
		}
	}
	return env
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
