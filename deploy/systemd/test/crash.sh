# Topics of boot_test.sh: what happens when a worker, or the supervisor, dies.

topic_crash() {
	local pid restarts
	restarts=$(property NRestarts)
	script "kill -KILL $(workers | head -n 1)"
	within 20 eval '[ "$(ready_workers)" = 3 ]'
	same "a killed worker is replaced" "$(ready_workers)" 3
	same "without the service noticing" "$(property NRestarts)" "$restarts"
	pid=$(property MainPID)
	script "kill -KILL $pid"
	within 30 eval "[ \$(property NRestarts) -gt $restarts ] && [ \$(property ActiveState) = active ]"
	same "a killed supervisor is restarted" "$(property ActiveState)" active
	check "and serves" answers
	same "no worker of the dead one is left" "$(workers | wc -l)" "$(ready_workers)"
}

# restarted COUNT: the service has been restarted more often than that, and is ready
restarted() { [ "$(property NRestarts)" -gt "$1" ] && [ "$(property ActiveState)" = active ] && [ "$(ready_workers)" = 3 ]; }

# dies NAME SIGNAL [COMMAND...]: the supervisor gets the signal, under load and after the command;
# the service comes back and nothing was lost
dies() {
	local restarts
	restarts=$(property NRestarts)
	load_on
	"${@:3}"
	script "kill -$2 $(property MainPID)"
	check "$1: the service is restarted" within 40 restarted "$restarts"
	load_off "$1: no connection was refused and no request lost"
	check "$1: the workers of the dead one have ended" within 40 eval '[ "$(workers | wc -l)" = 3 ]'
}

topic_dies() {
	dies "a killed supervisor" KILL
	# a panic, too, ends it by this signal: exit status 2 would mean a bad configuration
	dies "an aborted supervisor" ABRT
	check "an aborted supervisor: its goroutines are in the journal" within 10 logged '^goroutine 1 '
}

# Without a socket unit it is systemd's descriptor store that holds the sockets.
topic_unlisted() {
	inside systemctl stop tandem.socket tandem.service
	script 'sed -E "/^(Requires|Also)=/d; s/ tandem\.socket//" /etc/systemd/system/tandem.service >/etc/systemd/system/tandem-bare.service && systemctl daemon-reload'
	local unit=tandem-bare.service
	check "without a socket unit: systemctl start" inside systemctl start "$unit"
	more "without a socket unit: descriptors in systemd's store" "$(property NFileDescriptorStore)" 0
	dies "without a socket unit: a killed supervisor" KILL
	load_on
	check "without a socket unit: systemctl restart" inside systemctl restart "$unit"
	load_off "without a socket unit: no connection was refused and no request lost in it"
	check "without a socket unit: systemctl stop" inside systemctl stop "$unit"
	same "without a socket unit: processes left" "$(left)" 0
	script 'rm /etc/systemd/system/tandem-bare.service && systemctl daemon-reload'
}

# One that is idle when the supervisor is killed is served by the next one's workers.
# systemd says how much it keeps from version 254 on; before, a drop-in says it.
topic_idle_connection() {
	local restarts client
	[ "$version" -ge 254 ] || drop_in store 'Environment=FDSTORE=16\n'
	same "how many descriptors are kept, by the environment" "$(script "tr '\\0' '\\n' </proc/$(property MainPID)/environ | grep ^FDSTORE=")" FDSTORE=16
	restarts=$(property NRestarts)
	rm -f "$run/went"
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
	within 20 eval '[ -s "$run/idle" ]'
	script "kill -KILL $(property MainPID)"
	check "a killed supervisor, with an idle connection: restarted" within 40 restarted "$restarts"
	: >"$run/went"
	wait $client
	same "the idle connection is served on" "$(tr -d '\r' <"$run/idle" | tr '\n' ' ')" "HTTP/1.1 200 OK HTTP/1.1 200 OK "
	[ "$version" -ge 254 ] || drop_in store
}

# reloading begins a reload, and returns while it is under way
reloading() {
	inside systemctl reload --no-block "$unit"
	within 20 eval '[ "$(field state)" = reloading ]'
}

topic_watchdog() {
	local restarts
	setting SUPERVISOR_BAKE 5s
	drop_in watchdog 'WatchdogSec=2s\nTimeoutAbortSec=1s\n'
	restarts=$(property NRestarts)
	check "a reload that takes longer than the watchdog" inside systemctl reload "$unit"
	same "restarts in it" "$(property NRestarts)" "$restarts"
	dies "a supervisor that stands still" STOP
	check "it was the watchdog that noticed" within 10 logged 'Watchdog timeout'
	# what it has asked for the reload does not put the watchdog off
	dies "a supervisor that stands still in a reload" STOP reloading
	setting SUPERVISOR_BAKE 1s
	drop_in watchdog
}

# causes counts the records of why
causes() { supervisor why --json | grep -o '"cause"' | wc -l; }

topic_why() {
	local before
	before=$(causes)
	script "kill -SEGV $(workers | head -n 1)"
	within 20 eval '[ "$(ready_workers)" = 3 ]'
	check "supervisor why knows of a worker that crashed" within 10 eval '[ "$(causes)" -gt '"$before"' ]'
	check "the record is in the state directory" script 'find /var/lib/tandem/ -type f | grep .'
	inside systemctl restart "$unit"
	more "and is there after a restart" "$(causes)" "$before"
}

# What docs/systemd.md says of a worker that ignores TERM.
topic_stubborn() {
	local mode worker
	for mode in process mixed; do
		drop_in stubborn "KillMode=$mode\nExecStart=\nExecStart=/usr/bin/supervisor --workers 1 --graceful-timeout 1s --ready alive:100ms -- /bin/sh -c \"trap : TERM; while :; do sleep 0.2; done\"\n"
		worker=$(workers | head -n 1)
		script "kill -KILL $(property MainPID)"
		within 20 eval '[ "$(property ActiveState)" = active ] && [ "$(property NRestarts)" -gt 0 ]'
		case $mode in
		process)
			check "KillMode=process: a worker that ignores TERM outlives a killed supervisor" script "kill -0 $worker"
			check "systemd notes a left-over process" within 10 logged 'left-over process'
			check "and is listed" script "systemctl status --no-pager $unit | grep -w $worker"
			inside systemctl kill --kill-whom=all --signal=KILL "$unit"
			check "and can be ended" within 10 eval "! script 'kill -0 $worker'"
			within 20 eval '[ "$(property ActiveState)" = active ]'
			;;
		mixed) check "KillMode=mixed: a worker that ignores TERM is killed with it" eval "! script 'kill -0 $worker'" ;;
		esac
		check "KillMode=$mode: a stop" inside systemctl stop "$unit"
		same "KillMode=$mode: processes left" "$(left)" 0
	done
	drop_in stubborn
}
