#!/bin/bash
# Boots a real systemd in a container and runs Tandem under it, the way README.md
# installs it: socket activation, Type=notify, reload under load, reloads that
# must fail, restart under load, crash, watchdog, upgrade in place, sandbox, journal,
# stop with a request in flight. One line per check; the exit code is 0 only when all of
# them passed.
#
#   boot_test.sh [test]     prepare where needed, boot, check, power off
#   boot_test.sh prepare    make the cached Debian tree (a minute, once, 180 MB)
#   boot_test.sh shell      boot and open a shell in it; leaving it powers off
#
#   BIN=DIR    where supervisor, app and hammer are   (default bin/)
#   TREE=DIR   the cached tree       (default ~/.cache/tandem/systemd-tree)
#   SED=EXPR   changes tandem.service before the test: to see a check fail
#
# Needs root, debootstrap, systemd-nspawn and overlayfs. The cached tree is never
# written to. Nothing here is killed but what this script has started.
#
# No "| grep -q" below: it ends the pipe early, and under pipefail the writer's
# SIGPIPE then fails the check at random.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
BIN=$(cd "${BIN:-$here/../../bin}" && pwd) || exit 2
TREE=${TREE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem/systemd-tree}
SED=${SED-}
url=http://127.0.0.1:8000
unit=tandem.service
run='' nspawn=''

die() { echo "boot_test: $*" >&2; exit 2; }

# --- the machine ---

prepare() {
	[ ! -e "$TREE/.complete" ] || return 0
	local mirror
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
	[ -n "$mirror" ] || die "apt has no package source to make the tree from"
	rm -rf "$TREE"
	mkdir -p "$TREE"
	echo "making $TREE (once)"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps,curl \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" "$TREE" "$mirror" >"$TREE.log" 2>&1 ||
		die "debootstrap failed, see $TREE.log"
	rm -rf "$TREE"/var/cache/apt/archives/*.deb "$TREE"/var/lib/apt/lists/* "$TREE"/etc/apt/sources.list
	systemctl --root="$TREE" -q mask systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
		e2scrub_all.timer fstrim.timer getty@.service console-getty.service
	: >"$TREE/etc/machine-id"
	touch "$TREE/.complete"
}

# init prints the pid that the container's PID 1 has here
init() { pgrep -P "$nspawn" -x systemd; }
# inside runs a command in the container; script runs a line of shell there
inside() { nsenter -t "$(init)" -m -u -i -n -p -C -r -w -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
script() { inside bash -c "$1"; }
property() { inside systemctl show -P "$1" "$unit"; }
# within SECONDS COMMAND...: polls until it succeeds
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
booted() { [[ $(inside systemctl is-system-running) =~ ^(running|degraded)$ ]]; }

boot() {
	[ "$(id -u)" = 0 ] || die "needs root"
	local tool
	for tool in debootstrap systemd-nspawn nsenter; do
		command -v $tool >/dev/null || die "$tool is missing (Debian packages: debootstrap systemd-container util-linux)"
	done
	for tool in supervisor app hammer; do
		[ -x "$BIN/$tool" ] || die "$BIN/$tool is missing: make build, go build -o bin/ ./deploy/hammer"
	done
	prepare
	run=$(mktemp -d)
	trap power_off EXIT
	mkdir "$run/upper" "$run/work" "$run/root"
	mount -t overlay tandem-boot -o "lowerdir=$TREE,upperdir=$run/upper,workdir=$run/work" "$run/root" || die "overlayfs is missing"
	install_into "$run/root"
	# A cgroup2 tree for it even where the host has v1; no machined and no unit on
	# the host; a network of its own, with loopback only.
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid systemd-nspawn --quiet --boot --register=no --keep-unit \
		--console=pipe --private-network --machine=tandem-boot --directory="$run/root" \
		</dev/null >"$run/console.log" 2>&1 &
	nspawn=$!
	within 120 booted || { tail -n 20 "$run/console.log"; die "the container did not boot"; }
}

power_off() {
	trap - EXIT
	if [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; then
		inside systemctl poweroff >/dev/null 2>&1
		within 60 eval "! kill -0 $nspawn" || kill -KILL "$nspawn"
		wait "$nspawn" 2>/dev/null
	fi
	! mountpoint -q "$run/root" || umount "$run/root"
	rm -rf "$run"
}

# what README.md tells an administrator to do, but for the parts that need a running systemd
install_into() {
	install -D -m 755 -t "$1/usr/bin" "$BIN/supervisor" "$BIN/app" "$BIN/hammer"
	install -D -m 644 -t "$1/etc/systemd/system" "$here/tandem.service" "$here/tandem.socket"
	install -D -m 644 "$here/tandem.sysusers" "$1/usr/lib/sysusers.d/tandem.conf"
	install -D -m 640 "$here/tandem.env" "$1/etc/tandem/tandem.env"
	[ -z "$SED" ] || sed -i -E "$SED" "$1/etc/systemd/system/tandem.service"
}

# --- the checks ---

passed=0 failed=0
# report RC NAME [DETAIL]
report() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1)) && printf 'ok    %s%s\n' "$2" "${3:+: $3}"
	else
		failed=$((failed + 1)) && printf 'FAIL  %s%s\n' "$2" "${3:+: $3}"
	fi
}
# check NAME COMMAND...: the command succeeds
check() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1)
	rc=$?
	report $rc "$name" "$([ $rc = 0 ] || tail -n 3 <<<"$out" | tr '\n' ' ')"
}
# same NAME GOT WANT
same() {
	if [ "$2" = "$3" ]; then report 0 "$1" "$2"; else report 1 "$1" "got '$2', want '$3'"; fi
}
state() { inside env SUPERVISOR_CONTROL=/run/tandem/supervisor.sock supervisor status --json; }
field() { state | grep -oE "\"$1\": ?(\"[^\"]*\"|[0-9]+)" | head -n 1 | sed -E 's/^[^:]*: ?"?([^"]*)"?$/\1/'; }
ready_workers() { state | tr -d ' \n' | grep -o '"state":"ready"' | wc -l; }
# processes lists all of the service; workers lists those that are not the main one. (By
# the control group: a worker that is started from a descriptor has no name of its own.)
processes() { script "cat /sys/fs/cgroup$(property ControlGroup)/cgroup.procs 2>/dev/null"; }
workers() { processes | grep -vx "$(property MainPID)"; }
worker_environment() {
	script "for p in $(workers | tr '\n' ' '); do tr '\0' '\n' </proc/\$p/environ; done"
}
seconds() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }
setting() { script "sed -i -E 's|^#?$1=.*|$1=$2|' /etc/tandem/tandem.env"; }
unset_setting() { script "sed -i -E 's|^($1=.*)|#\1|' /etc/tandem/tandem.env"; }

# flow lets the load go on for as long as 40 further requests take
flow() { script "for i in {1..40}; do curl -sS -o /dev/null --max-time 20 $url/modern/ || exit; done"; }
# load_on starts the load; load_off NAME ends it and checks that nothing was lost
load_on() {
	inside hammer >"$run/hammer" 2>&1 &
	hammer=$!
	within 10 script 'pgrep -x hammer' || die "the load did not start"
	flow || die "no answer under load"
}
load_off() {
	flow
	script 'kill -TERM $(pgrep -x hammer)'
	wait "$hammer"
	report $? "$1" "$(tail -n 5 "$run/hammer" | tr '\n' ' ')"
}

# without sysusers: the user comes and goes with the service
transient() {
	script 'chmod 644 /etc/tandem/tandem.env'
	check "it starts without a lasting user" inside systemctl start tandem.service
	check "and serves" script "curl -fsS --max-time 20 $url/modern/"
	check "and stops" inside systemctl stop tandem.socket tandem.service
	script 'chmod 640 /etc/tandem/tandem.env'
}

activation() {
	check "sysusers makes the user" inside systemd-sysusers
	script 'chgrp tandem /etc/tandem/tandem.env' || die "no group tandem"
	check "systemctl start tandem.socket" inside systemctl start tandem.socket
	same "the service waits for the first connection" "$(property ActiveState)" inactive
	check "the first request starts it and is answered" script "curl -fsS --max-time 60 $url/modern/"
	within 60 eval '[ "$(property ActiveState)" = active ]'
	same "the service is active" "$(property ActiveState)" active
	check "systemctl stop" inside systemctl stop tandem.service tandem.socket

	local began
	began=$(date +%s.%N)
	check "systemctl start" inside systemctl start tandem.service
	# Type=notify: when start returns, workers are ready, not merely begun
	report "$([ "$(ready_workers)" -ge 1 ]; echo $?)" "start returns when workers are ready" "$(ready_workers) after $(seconds "$began") s"
	same "it listens on systemd's socket" "$(state | tr -d ' \n' | grep -oE '"listeners":\[[^]]*\]')" '"listeners":["tcp://127.0.0.1:8000"]'
}

reload() {
	local pid generation began
	pid=$(property MainPID)
	generation=$(field generation)
	setting SUPERVISOR_WORKERS 3
	setting APP_BLOCKING_PERMITS 41
	load_on
	began=$(date +%s.%N)
	check "systemctl reload" inside systemctl reload tandem.service
	# no waiting here: the reload has returned, so it must have happened
	same "the reload is complete when it returns ($(seconds "$began") s)" "$(field generation)" $((generation + 1))
	same "it changed the number of workers" "$(ready_workers)" 3
	report "$(worker_environment | grep -c '^APP_BLOCKING_PERMITS=41$' | awk '{ exit !($1 >= 3) }'; echo $?)" "the new workers have the changed environment"
	load_off "no request was lost in it"
	same "the main process is the same" "$(property MainPID)" "$pid"
}

# refused NAME: systemctl reload must fail, and the service go on as it was
refused() {
	local pid generation workers
	pid=$(property MainPID)
	generation=$(field generation)
	workers=$(ready_workers)
	load_on
	if inside systemctl reload tandem.service >/dev/null 2>&1; then report 1 "$1: systemctl reload fails" "it said it had succeeded"; else report 0 "$1: systemctl reload fails"; fi
	same "$1: the service is still active" "$(property ActiveState)" active
	load_off "$1: no request was lost"
	same "$1: still the old generation" "$(field generation)" "$generation"
	same "$1: at full strength" "$(ready_workers)" "$workers"
	same "$1: the main process is the same" "$(property MainPID)" "$pid"
}

reload_refused() {
	setting SUPERVISOR_BAKE banana
	refused "bad setting of the supervisor"
	setting SUPERVISOR_BAKE 1s

	setting APP_BLOCKING_PERMITS banana
	refused "bad setting of the app"
	report "$(inside journalctl -u "$unit" -o cat --no-pager | grep -c APP_BLOCKING_PERMITS | awk '{ exit !($1 > 0) }'; echo $?)" "the journal says which setting"
	setting APP_BLOCKING_PERMITS 42

	script 'cp /usr/bin/app /root/app.good && printf "#!/bin/sh\nexit 1\n" >/root/app.bad && chmod 755 /root/app.bad && mv /root/app.bad /usr/bin/app'
	refused "broken executable"
	script 'mv /root/app.good /usr/bin/app'

	check "after all that, a good reload succeeds" inside systemctl reload tandem.service
	report "$(worker_environment | grep -c '^APP_BLOCKING_PERMITS=42$' | awk '{ exit !($1 >= 3) }'; echo $?)" "and takes effect"
}

restart() {
	local pid
	pid=$(property MainPID)
	load_on
	check "systemctl restart" inside systemctl restart tandem.service
	load_off "no connection was refused and no request lost in it"
	report "$([ "$(property MainPID)" != "$pid" ]; echo $?)" "it is another process" "$(property MainPID)"
	script "mkdir -p /etc/systemd/system/tandem.socket.d && printf '[Socket]\nListenStream=127.0.0.1:8001\n' >/etc/systemd/system/tandem.socket.d/override.conf"
	check "a second address by a drop-in" script 'systemctl daemon-reload && systemctl restart tandem.socket tandem.service'
	check "it answers there" script "curl -fsS --max-time 20 ${url%0}1/modern/"
}

crash() {
	local pid restarts
	script "kill -KILL $(workers | head -n 1)"
	within 20 eval '[ "$(ready_workers)" = 3 ]'
	same "a killed worker is replaced" "$(ready_workers)" 3
	same "without the service noticing" "$(property NRestarts)" 0
	pid=$(property MainPID)
	restarts=$(property NRestarts)
	script "kill -KILL $pid"
	within 30 eval "[ \$(property NRestarts) -gt $restarts ] && [ \$(property ActiveState) = active ]"
	same "a killed supervisor is restarted" "$(property ActiveState)" active
	check "and serves" script "curl -fsS --max-time 20 $url/modern/"
	same "no worker of the dead one is left" "$(workers | wc -l)" "$(ready_workers)"
}

# restarted COUNT: the service has been restarted more often than that, and is ready
restarted() { [ "$(property NRestarts)" -gt "$1" ] && [ "$(property ActiveState)" = active ] && [ "$(ready_workers)" = 3 ]; }

# dies NAME SIGNAL: the supervisor gets the signal, under load; the service comes back and nothing was lost
dies() {
	local restarts
	restarts=$(property NRestarts)
	load_on
	script "kill -$2 $(property MainPID)"
	check "$1: the service is restarted" within 40 restarted "$restarts"
	load_off "$1: no connection was refused and no request lost"
	check "$1: the workers of the dead one have ended" within 40 eval '[ "$(workers | wc -l)" = 3 ]'
}

crash_under_load() {
	dies "a killed supervisor" KILL
	# a panic, too, ends it by this signal: exit status 2 would mean a bad configuration
	dies "an aborted supervisor" ABRT
	report "$(inside journalctl -u "$unit" -o cat --no-pager | grep -c '^goroutine 1 ' | awk '{ exit !($1 > 0) }'; echo $?)" "an aborted supervisor: its goroutines are in the journal"
}

# drop_in NAME LINES: for the [Service] of the unit; without LINES it is taken away. The service is restarted.
drop_in() {
	if [ $# = 2 ]; then
		script "mkdir -p /etc/systemd/system/$unit.d && printf '[Service]\n$2' >/etc/systemd/system/$unit.d/$1.conf"
	else
		script "rm /etc/systemd/system/$unit.d/$1.conf"
	fi
	inside systemctl daemon-reload
	inside systemctl reset-failed "$unit" 2>/dev/null
	inside systemctl restart "$unit" || report 1 "a restart with the drop-in $1"
}

# idle_connection: one that is idle when the supervisor is killed is served by the
# next one's workers. systemd says how much it keeps from version 254 on; before, the
# drop-in says it.
idle_connection() {
	local restarts client
	drop_in store 'Environment=FDSTORE=16\n'
	restarts=$(property NRestarts)
	inside bash -c '
		exec 3<>/dev/tcp/127.0.0.1/8000
		ask() {
			printf "GET /modern/ HTTP/1.1\r\nHost: localhost\r\n\r\n" >&3
			local line length=0
			read -t 30 -r status <&3 || return
			while read -t 30 -r line <&3 && [ "$line" != $'"'\\r'"' ]; do
				[[ $line =~ ^Content-Length:\ ([0-9]+) ]] && length=${BASH_REMATCH[1]}
			done
			read -t 30 -r -N "$length" body <&3
			echo "$status"
		}
		ask && read -r && ask' < <(within 60 eval '[ -e "$run/went" ]'; echo) >"$run/idle" 2>&1 &
	client=$!
	rm -f "$run/went"
	within 20 eval '[ -s "$run/idle" ]'
	script "kill -KILL $(property MainPID)"
	check "a killed supervisor, with an idle connection: restarted" within 40 restarted "$restarts"
	: >"$run/went"
	wait $client
	same "the idle connection is served on" "$(tr -d '\r' <"$run/idle" | tr '\n' ' ')" "HTTP/1.1 200 OK HTTP/1.1 200 OK "
	drop_in store
}

watchdog() {
	local restarts
	setting SUPERVISOR_BAKE 5s
	drop_in watchdog 'WatchdogSec=2s\nTimeoutAbortSec=1s\n'
	restarts=$(property NRestarts)
	check "a reload that takes longer than the watchdog" inside systemctl reload "$unit"
	same "restarts in it" "$(property NRestarts)" "$restarts"
	setting SUPERVISOR_BAKE 1s
	dies "a supervisor that stands still" STOP
	report "$(inside journalctl -u "$unit" -o cat --no-pager | grep -c 'Watchdog timeout' | awk '{ exit !($1 > 0) }'; echo $?)" "it was the watchdog that noticed"
	drop_in watchdog
}

upgrade() {
	local pid pids restarts
	pid=$(property MainPID) restarts=$(property NRestarts) pids=$(workers | sort | tr '\n' ' ')
	load_on
	check "supervisor upgrade" inside env SUPERVISOR_CONTROL=/run/tandem/supervisor.sock supervisor upgrade
	load_off "no connection was refused and no request lost in it"
	same "the main process is the same" "$(property MainPID)" "$pid"
	same "the workers are the same" "$(workers | sort | tr '\n' ' ')" "$pids"
	same "the service is active, restarts" "$(property ActiveState) $(property NRestarts)" "active $restarts"
	check "a reload after it" inside systemctl reload "$unit"
	same "workers after it" "$(ready_workers)" 3
}

why() {
	local before
	before=$(script 'supervisor why --json --control /run/tandem/supervisor.sock' | grep -o '"cause"' | wc -l)
	script "kill -SEGV $(workers | head -n 1)"
	within 20 eval '[ "$(ready_workers)" = 3 ]'
	check "supervisor why knows of a worker that crashed" within 10 eval '[ "$(script "supervisor why --json --control /run/tandem/supervisor.sock" | grep -o "\"cause\"" | wc -l)" -gt '"$before"' ]'
	check "the record is in the state directory" script 'find /var/lib/tandem/ -type f | grep .'
	inside systemctl restart "$unit"
	report "$([ "$(script 'supervisor why --json --control /run/tandem/supervisor.sock' | grep -o '"cause"' | wc -l)" -gt "$before" ]; echo $?)" "and is there after a restart"
}

# What docs/systemd.md says of a worker that ignores TERM.
stubborn() {
	local mode left
	for mode in process mixed; do
		drop_in stubborn "KillMode=$mode\nExecStart=\nExecStart=/usr/bin/supervisor --workers 1 --graceful-timeout 1s --ready alive:100ms -- /bin/sh -c \"trap : TERM; while :; do sleep 0.2; done\"\n"
		left=$(workers | head -n 1)
		script "kill -KILL $(property MainPID)"
		within 20 eval '[ "$(property ActiveState)" = active ] && [ "$(property NRestarts)" -gt 0 ]'
		case $mode in
		process)
			check "KillMode=process: a worker that ignores TERM outlives a killed supervisor" script "kill -0 $left"
			report "$(inside journalctl -u "$unit" -o cat --no-pager | grep -c 'left-over process' | awk '{ exit !($1 > 0) }'; echo $?)" "systemd notes a left-over process"
			check "and is listed" script "systemctl status --no-pager $unit | grep -w $left"
			inside systemctl kill --kill-whom=all --signal=KILL "$unit"
			check "and can be ended" within 10 eval "! script 'kill -0 $left'"
			within 20 eval '[ "$(property ActiveState)" = active ]'
			;;
		mixed) check "KillMode=mixed: a worker that ignores TERM is killed with it" eval "! script 'kill -0 $left'" ;;
		esac
		check "KillMode=$mode: a stop" inside systemctl stop "$unit"
		same "KillMode=$mode: processes left" "$(script "ps -u tandem -o pid=" | wc -l)" 0
	done
	drop_in stubborn
}

sandbox() {
	local who
	who=$(script "stat -c %U /proc/$(property MainPID)")
	same "it runs as" "$who" tandem
	for pid in $(property MainPID) $(workers | head -n 1); do
		same "privileges of $(script "tr '\0' ' ' </proc/$pid/cmdline")" \
			"$(script "grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$pid/status" | tr -s '\t\n' ' ')" \
			"CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 "
	done
	# without CAP_SYS_RESOURCE systemd cannot give more than it has
	local limit
	limit=$(script "awk '/^Max open files/ { print (\$5 < 65536 ? \$5 : 65536) }' /proc/1/limits")
	same "open files" "$(script "awk '/^Max open files/ { print \$5 }' /proc/$(property MainPID)/limits")" "$limit"
	same "the control socket" "$(script 'stat -c "%A %U" /run/tandem/supervisor.sock')" "srw------- tandem"
}

journal() {
	local lines
	lines=$(inside journalctl -u "$unit" -o cat --no-pager | wc -l)
	report "$([ "$lines" -gt 3 ]; echo $?)" "the journal has its lines" "$lines"
	lines=$(inside journalctl -u "$unit" -t tandem -o cat --no-pager --grep="worker ready" | wc -l)
	report "$([ "$lines" -gt 0 ]; echo $?)" "the records have fields of their own" "$lines"
	lines=$(inside journalctl -u "$unit" --grep='SIGSYS|seccomp|Operation not permitted' --no-pager -o cat | wc -l)
	same "lines about calls that the sandbox refused" "$lines" 0
}

stop() {
	local asked began
	script "curl -sSN --max-time 30 '$url/stream/?n=30&ms=100'" >"$run/stream" 2>"$run/stream.err" &
	asked=$!
	within 10 eval '[ -s "$run/stream" ]' || report 1 "the stream began" "$(cat "$run/stream.err")"
	began=$(date +%s.%N)
	check "systemctl stop with a request in flight" inside systemctl stop tandem.socket tandem.service
	wait $asked
	report $? "the request in flight was answered to its end" "$(wc -c <"$run/stream") bytes, stop took $(seconds "$began") s"
	same "the stop was clean" "$(property Result) $(property ExecMainStatus)" "success 0"
	same "processes left" "$(script "ps -u tandem -o pid=" | wc -l)" 0
	report "$(! script 'test -e /run/tandem'; echo $?)" "the control socket is gone"
}

# Type=notify: a start has not succeeded before workers are ready
never_ready() {
	setting SUPERVISOR_BOOT_TIMEOUT 500ms
	script 'cp /usr/bin/app /root/app.good && printf "#!/bin/sh\nexec sleep 60\n" >/usr/bin/app'
	if inside timeout 60 systemctl start tandem.service 2>/dev/null; then
		report 1 "workers that never become ready fail the start" "it said it had succeeded"
	else
		report 0 "workers that never become ready fail the start"
	fi
	# from the journal: the next attempt may have begun
	check "with the supervisor's exit code for it" within 20 eval 'inside journalctl -u "$unit" -o cat --no-pager -n 200 | grep "Main process exited, code=exited, status=3/" >/dev/null'
	inside systemctl stop tandem.service tandem.socket
	same "processes left" "$(script "ps -u tandem -o pid=" | wc -l)" 0
	script 'mv /root/app.good /usr/bin/app; systemctl reset-failed tandem.service 2>/dev/null'
}

bad_start() {
	setting SUPERVISOR_WORKERS banana
	if inside systemctl start tandem.service 2>/dev/null; then report 1 "a bad env file fails the start" ; else report 0 "a bad env file fails the start"; fi
	report "$(inside journalctl -u "$unit" -o cat --no-pager -n 20 | grep -c 'workers.*banana.*tandem.env' | awk '{ exit !($1 > 0) }'; echo $?)" "and the journal says why"
}

all_checks() {
	local began
	began=$(date +%s)
	boot
	echo "booted $(inside systemctl --version | head -n 1) in $(($(date +%s) - began)) s"
	transient
	activation
	reload
	reload_refused
	restart
	crash
	crash_under_load
	idle_connection
	watchdog
	upgrade
	why
	stubborn
	sandbox
	journal
	stop
	never_ready
	bad_start
	if [ "$failed" != 0 ]; then
		echo "--- the end of the journal"
		inside journalctl -u "$unit" --no-pager -o short-precise -n 60
	fi
	power_off
	echo "$passed passed, $failed failed, in $(($(date +%s) - began)) s"
	[ "$failed" = 0 ]
}

case ${1:-test} in
test) all_checks ;;
prepare) prepare && echo "ready: $TREE" ;;
shell) boot && inside env TERM="${TERM:-dumb}" bash -i; power_off ;;
*) sed -n '2,19s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
