package config

// Settings are the supervisor's settings. A field is one setting: SplitWords is
// the flag --split-words and the variable SUPERVISOR_SPLIT_WORDS.
//
// The tags:
//
//	split_words  always "true": how envconfig names the variable. There must be no
//	             envconfig tag, which would also read the unprefixed variable ($USER),
//	             and no default tag, which would beat the layers below the environment
//	initial      the default, in the form a user would type; "" is "not set"
//	auto         what the default is, in words, where it has to be worked out
//	arg          what stands for the value in help
//	live         "true" when a reload may change it
//	short        one line of help
//	doc          the rest of the entry in the reference page; 'x' is code
type Settings struct {
	Workers         Workers   `split_words:"true" initial:"auto" arg:"N|auto" live:"true" short:"worker processes; auto: one per CPU of quota" doc:"The quota is that of the cgroup; auto is never less than one worker. 'WEB_CONCURRENCY' is read too, below 'SUPERVISOR_WORKERS' in the same place. 'supervisor scale N' and the signals TTIN and TTOU change it while the supervisor runs."`
	Bind            Addresses `split_words:"true" initial:"127.0.0.1:8000" arg:"ADDR" short:"where to listen; may be repeated" doc:"'host:port', ':port' (all addresses), '[v6]:port', 'unix:/path' or 'fd:N' (a listening socket that was inherited). In a variable commas separate several. 'PORT=n' means '0.0.0.0:n' and is read where neither the flag nor 'SUPERVISOR_BIND' is set in the same place. Sockets that systemd passes ('LISTEN_FDS') are used instead."`
	EnvFile         Path      `split_words:"true" arg:"PATH" short:"KEY=VALUE lines for workers, read at each reload" doc:"Workers get the fresh values, and a key that was taken out disappears; a key that the environment has too keeps the value of the environment, and 'check' warns of it. 'SUPERVISOR_*' keys in it are settings of the supervisor and are not handed to workers. See the section on its form below."`
	BootTimeout     Duration  `split_words:"true" initial:"30s" arg:"TIME" live:"true" short:"a worker must be ready within it"`
	Timeout         Duration  `split_words:"true" initial:"30s" arg:"TIME" live:"true" short:"a worker that falls silent for so long is hung" doc:"It counts for a worker that has beaten at least once ('WATCHDOG=1' or the scoreboard). So is one of whose permits for sync code none was given back for so long while work waited for one. A hung worker is asked for its goroutines where it is a Tandem worker, and killed. A worker that never beats is watched for its exit only."`
	GracefulTimeout Duration  `split_words:"true" initial:"30s" arg:"TIME" live:"true" short:"bound on draining one worker; then it is killed"`
	LameDuck        Duration  `split_words:"true" initial:"0s" arg:"TIME" live:"true" short:"serve on for so long when asked to stop" doc:"For load balancers that need time to notice: new connections are served until the time is over, while '/readyz' of the admin listener fails already; then the drain begins."`
	Bake            Duration  `split_words:"true" initial:"1s" arg:"TIME" live:"true" short:"how long a reload watches its first new worker" doc:"The first worker of a new generation must stay healthy for so long before the others are rolled. It must be shorter than '--reload-timeout'."`
	Surge           Count     `split_words:"true" initial:"1" arg:"N" short:"extra workers during a roll"`
	ReloadTimeout   Duration  `split_words:"true" auto:"boot-timeout + bake + 30s" arg:"TIME" live:"true" short:"bound on a whole reload; at the bound it is undone"`

	MaxRequests       Count    `split_words:"true" initial:"0" arg:"N" live:"true" short:"recycle a worker after N requests; 0: off" doc:"Its replacement is ready before it is asked to drain, and only one worker is recycled at a time, so there are never fewer ready than wanted. It is for Tandem workers, which count their requests. Limits are looked at once a second, so a few requests more may be taken."`
	MaxRequestsJitter Count    `split_words:"true" initial:"0" arg:"N" live:"true" short:"add up to N to it at random" doc:"So that workers that started together are not recycled together."`
	MaxLifetime       Duration `split_words:"true" initial:"0s" arg:"TIME" live:"true" short:"recycle a worker of that age; 0: off" doc:"Up to a tenth is added at random for each worker, so that workers that started together are not recycled together."`
	MaxMemory         Bytes    `split_words:"true" initial:"0" arg:"SIZE" live:"true" short:"recycle a worker above that size; 0: off" doc:"What counts is the anonymous memory of its process ('RssAnon' in '/proc'), without that of its children, when it is above the limit at three looks in a row, a second apart."`
	Ready             Ready    `split_words:"true" initial:"notify" arg:"HOW" short:"ready by notify, log:REGEXP or alive:TIME" doc:"How a worker says that it is ready: 'notify' is 'READY=1' on its notify socket; 'log:REGEXP' the first whole line, on either stream, in which the expression (RE2) matches; 'alive:TIME' that it has lived for so long, which must be less than '--boot-timeout'. Only what is chosen counts: with 'log:' and 'alive:' the 'READY=1' of a worker changes nothing."`
	StopSignal        Signal   `split_words:"true" initial:"TERM" arg:"SIG" short:"what asks a worker to drain" doc:"One of HUP, INT, QUIT, TERM, USR1, USR2, WINCH, PWR, with or without SIG in front. A Tandem worker drains on TERM; change it for programs that want another."`

	Control    Socket   `split_words:"true" auto:"in $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/tandem, else /tmp/tandem-UID" arg:"PATH|off" short:"control socket, for the commands" doc:"Mode 0600. The default is 'supervisor.sock' in '$RUNTIME_DIRECTORY', else in '$XDG_RUNTIME_DIR/tandem', else in '/tmp/tandem-UID', which must then belong to the user and be closed to others. A socket behind which somebody answers is never replaced: the supervisor then does not start and says which process holds it. Where the socket cannot be made, one warning is logged and the service runs without it."`
	StateDir   StateDir `split_words:"true" auto:"$STATE_DIRECTORY, else $XDG_STATE_HOME/tandem, else ~/.local/state/tandem, else /tmp/tandem-UID" arg:"PATH|off" short:"directory for the records of dead workers" doc:"What 'supervisor why' shows, see [post-mortem](post-mortem.md): at most 50 records and 32 MiB, readable by the user of the supervisor only, in a directory of its own for each control socket. The directory must belong to the user, and nobody else may be able to write to it. Where it cannot be made or written to, one warning is logged and records are kept in memory. 'off' keeps them in memory without a warning."`
	Admin      Admin    `split_words:"true" initial:"off" arg:"ADDR|off" short:"read-only HTTP: /livez, /readyz, /metrics, /" doc:"'host:port', ':port' (all addresses) or 'unix:/path' (mode 0660 less the umask). Nothing can be changed there, and whoever reaches it may read: keep it on an address that only your monitoring reaches. '/readyz' is 200 while at least one worker is ready, and fails during the start and from the moment on that a stop is asked for. See docs/metrics.md."`
	PidFile    Path     `split_words:"true" arg:"PATH" short:"write the supervisor process id there"`
	User       Account  `split_words:"true" arg:"NAME" short:"run workers as that user" doc:"A name or a number. Workers get the groups of that user and its 'HOME', 'USER' and 'LOGNAME', unless the env file has others. The supervisor stays what it was: it takes root, or CAP_SETUID, CAP_SETGID and CAP_KILL. To run everything as one user, start the supervisor as that user. The socket of '--bind unix:' belongs to the user and group of the workers. See also docs/privileges.md."`
	Group      Account  `split_words:"true" arg:"NAME" short:"run workers as that group" doc:"A name or a number; the default is the group of '--user'. Without '--user' the workers keep the user of the supervisor and have this one group."`
	NoNewPrivs Switch   `split_words:"true" auto:"on with --user" short:"workers can gain no privilege by executing a program" doc:"That is the 'no_new_privs' of the system: setuid programs, such as sudo, and file capabilities have no effect for workers and all that they start."`
	Rlimit     Rlimits  `split_words:"true" arg:"NAME=SOFT[:HARD]" short:"a resource limit of workers; may be repeated" doc:"NAME is as, core, cpu, data, fsize, memlock, msgqueue, nice, nofile, nproc, rtprio, rttime, sigpending or stack; a limit is a number, a SIZE or 'unlimited'. In a variable commas separate several. What is not named is as the supervisor was started with."`
	Umask      Umask    `split_words:"true" arg:"MODE" short:"file mode mask of workers, in octal" doc:"Not set: that of the supervisor."`
	Chdir      Path     `split_words:"true" arg:"DIR" short:"directory of workers" doc:"The worker command is looked up from there. Paths among the settings are relative to the directory in which the supervisor was started."`

	LogFormat   LogFormat   `split_words:"true" initial:"auto" arg:"FORMAT" short:"form: auto, text, json or journal" doc:"'auto' is 'journal' when stderr is the journal, text on a terminal, and json elsewhere. 'journal' sends the records to journald with fields of their own, 'TANDEM_WORKER' and others; while that does not work they go to stderr as text. See docs/logs.md."`
	LogLevel    Level       `split_words:"true" initial:"info" arg:"LEVEL" live:"true" short:"lowest level: debug, info, warn or error" doc:"Of the records of the supervisor; lines of workers are not filtered."`
	LogFile     LogFile     `split_words:"true" initial:"stderr" arg:"PATH" short:"write all logs there; USR1 opens it anew" doc:"It takes the records of the supervisor and both streams of the workers. 'stderr' or '-' is no file: each stream of a worker comes out on the same stream of the supervisor."`
	LogOverflow LogOverflow `split_words:"true" initial:"drop" arg:"HOW" short:"at a slow sink, drop lines or block workers" doc:"'drop' counts and says how many lines were dropped, 'block' holds the workers back."`
	Watch       Switch      `split_words:"true" initial:"off" short:"reload when the worker executable changes" doc:"For development. What is watched is the file that a reload would start, the symbolic links and directories that lead to it, and the env file. A reload begins when nothing has happened to them for 200 ms and the file can be executed. After one that failed the next change begins another. Files that a script or an interpreter reads besides are not watched."`
}

// Off is the value of --control and --admin that turns them off.
const Off = "off"
