# How boot_test.sh, which reads this file, checks: one line per check, and what the
# checks look at. All of it is about $unit, $dir, $settings and $url, which as changes.
#
# No "| grep -q": it ends the pipe early, and under pipefail the writer's SIGPIPE
# then fails the check at random.

passed=0 failed=0 skipped=0
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
# skip NAME WHY
skip() { skipped=$((skipped + 1)) && printf 'skip  %s: %s\n' "$1" "$2"; }
# fails NAME COMMAND...: the command does not succeed
fails() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then report 1 "$name" "it succeeded: $(tail -n 3 <<<"$out" | tr '\n' ' ')"; else report 0 "$name"; fi
}
# more NAME COUNT THAN
more() { report "$([ "$2" -gt "$3" ]; echo $?)" "$1" "$2"; }

# as INSTANCE COMMAND...: the command is about that instance
as() {
	local unit=tandem@$1.service dir=tandem-$1 settings=/etc/tandem/$1.env url=http://127.0.0.1:${ports[$1]}
	shift
	"$@"
}
# supervisor COMMAND... is a command to the service
supervisor() { inside env SUPERVISOR_CONTROL="/run/$dir/supervisor.sock" supervisor "$@"; }
state() { supervisor status --json; }
# logged PATTERN [ARG...]: a line of the unit's journal matches
logged() { [ "$(inside journalctl -u "$unit" -o cat --no-pager "${@:2}" | grep -cE -e "$1")" -gt 0 ]; }
field() { state | grep -oE "\"$1\": ?(\"[^\"]*\"|[0-9]+)" | head -n 1 | sed -E 's/^[^:]*: ?"?([^"]*)"?$/\1/'; }
ready_workers() { state | tr -d ' \n' | grep -o '"state":"ready"' | wc -l; }
# processes lists all of the service; workers lists those that are not the main one. (By
# the control group: a worker that is started from a descriptor has no name of its own.)
processes() { script "cat /sys/fs/cgroup$(property ControlGroup)/cgroup.procs 2>/dev/null"; }
workers() { processes | grep -vx "$(property MainPID)"; }
# with_setting NAME=VALUE counts the workers that have it
with_setting() {
	script "for p in $(workers | tr '\n' ' '); do tr '\0' '\n' </proc/\$p/environ; done" 2>/dev/null | grep -cx "$1" # some are ending
}
# share_of N: nine tenths of the machine's memory, in bytes, divided by N
share_of() { echo $(($(script "sed -nE 's/^MemTotal: +([0-9]+) kB/\1/p' /proc/meminfo") * 1024 * 9 / 10 / $1)); }
# alone waits until there is one worker, and no other that still drains
alone() { within 40 eval '[ "$(workers | wc -l)" = 1 ] && [ "$(ready_workers)" = 1 ]'; }
# left counts the processes of the service's user
left() { script "ps -u $dir -o pid=" 2>/dev/null | wc -l; }
answers() { script "curl -fsS --max-time 60 $url/modern/"; }
seconds() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }
# setting NAME VALUE: in the env file
setting() { script "sed -i -E 's|^#?$1=.*|$1=$2|' $settings"; }

# steady is what a topic may begin with: the service, with three workers
steady() {
	setting SUPERVISOR_WORKERS 3
	inside systemctl start "$unit"
	[ "$(ready_workers)" = 3 ] || inside systemctl reload "$unit"
	within 40 eval '[ "$(ready_workers)" = 3 ]' || report 1 "three workers to begin with" "$(property ActiveState), $(ready_workers)"
}

# flow lets the load go on for as long as 40 further requests take
flow() { script "for i in {1..40}; do curl -sS -o /dev/null --max-time 20 $url/modern/ || exit; done"; }
# load_on starts the load; load_off NAME ends it and checks that nothing was lost
load_on() {
	inside hammer -addr "${url#http://}" >"$run/hammer" 2>&1 &
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

# in_flight N returns when the first byte is here of an answer that takes N tenths of a
# second; $asked is the process that gets it, into $run/stream
in_flight() {
	rm -f "$run/stream"
	script "curl -sSN --max-time 60 '$url/stream/?n=$1&ms=100'" >"$run/stream" 2>"$run/stream.err" &
	asked=$!
	within 20 eval '[ -s "$run/stream" ]' || report 1 "the stream began" "$(cat "$run/stream.err")"
}

# drop_in NAME LINES: for the [Service] of the unit; without LINES it is taken away.
# The service is restarted.
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
