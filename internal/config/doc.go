// Package config turns the command line, the environment and the env file into
// one checked set of settings. Its invariant: a [Loaded] that exists is valid as
// a whole, and every value in it can say where it came from.
//
// The smallest use:
//
//	loaded, err := config.Load(os.Args[1:], os.Environ())
//	if err != nil {
//		fmt.Fprintln(os.Stderr, "supervisor:", err)
//		os.Exit(2)
//	}
//	fmt.Println(loaded.Workers, loaded.Origins["workers"]) // 4 flag --workers
//
// The struct [Settings] is the only list of settings there is. Flags, variables,
// help, shell completion, the output of check and the reference page are all
// read from its fields and their tags, so that none of them can lag behind.
//
// Precedence is flag, environment, env file, default. A value that loses to
// another is still checked: a typing error must not lie in wait for the day on
// which the flag above it is taken away. Only PORT and WEB_CONCURRENCY, names
// that other programs use too, are left unread when something above them is set.
//
// The variables are decoded by envconfig, which reads the process's own
// environment and nothing else. What has to be decoded from elsewhere (the env
// file, an environment handed in by a caller) is therefore put into the process
// environment for the length of one decoding and taken out again: see
// withVariables. For that reason [Load] and [Loaded.Reload] must not run at the
// same time as code that reads SUPERVISOR_* variables or starts programs with the
// process environment; among themselves they take turns.
package config
