# Topics of boot_test.sh: the units, what the service shows, may, and logs.

topic_verified() {
	local u
	for u in tandem.service tandem.socket tandem@blue.service tandem@blue.socket; do
		same "systemd-analyze verify $u" "$(inside systemd-analyze verify --man=no --recursive-errors=no "$u" 2>&1)" ""
	done
	for u in tandem.service tandem@blue.service; do
		check "systemd-analyze security $u: at most 2.0" inside systemd-analyze security --no-pager --threshold=20 "$u"
	done
}

topic_status() {
	check "systemctl status has what the supervisor says" eval \
		'inside systemctl status --no-pager "$unit" | grep -F "Status: \"running: 3 of 3 workers ready, generation $(field generation)\""'
	check "what runs is checked by the service's user, outside of the unit" script "runuser -u tandem -- supervisor check --env-file $settings"
	same "the main process is the supervisor" "$(script "readlink /proc/$(property MainPID)/exe")" /usr/bin/supervisor
}

topic_sandbox() {
	same "it runs as" "$(script "stat -c %U /proc/$(property MainPID)")" tandem
	local pid limit
	for pid in $(property MainPID) $(workers | head -n 1); do
		same "privileges of $(script "tr '\0' ' ' </proc/$pid/cmdline")" \
			"$(script "grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$pid/status" | tr -s '\t\n' ' ')" \
			"CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 "
	done
	# without CAP_SYS_RESOURCE systemd cannot give more than it has
	limit=$(script "awk '/^Max open files/ { print (\$5 < 65536 ? \$5 : 65536) }' /proc/1/limits")
	same "open files" "$(script "awk '/^Max open files/ { print \$5 }' /proc/$(property MainPID)/limits")" "$limit"
	same "the control socket" "$(script 'stat -c "%A %U" /run/tandem/supervisor.sock')" "srw------- tandem"
}

# entries MATCH... counts what the journal has of the unit with these fields
entries() { inside journalctl -u "$unit" --no-pager -o cat --output-fields=_PID "$@" | wc -l; }
# first prints a field of the first worker
first() { state | tr -d ' \n' | sed -E 's/.*"workers":\[\{//' | grep -oE "\"$1\":[0-9]+" | head -n 1 | cut -d: -f2; }

topic_journal() {
	local lines worker pid
	more "the journal has its lines" "$(inside journalctl -u "$unit" -o cat --no-pager | wc -l)" 3
	more "records of the supervisor have fields of their own" \
		"$(inside journalctl -u "$unit" -t tandem -o cat --no-pager --grep="worker ready" | wc -l)" 0

	# what a worker prints carries who it was: its access log, here
	setting APP_ACCESS_LOG common
	setting SUPERVISOR_WORKERS 1
	check "a reload to one worker with an access log" inside systemctl reload "$unit"
	check "which is alone when the others have drained" alone
	worker=$(first id) pid=$(first pid)
	script "for i in {1..5}; do curl -fsS -o /dev/null '$url/echo/?journal'; done"
	check "its five lines are found by worker, generation, pid and stream" within 10 eval \
		'[ "$(inside journalctl -u "$unit" --no-pager -o cat TANDEM_WORKER='"$worker TANDEM_GENERATION=$(field generation) TANDEM_PID=$pid"' TANDEM_STREAM=stdout | grep -c "GET /echo/?journal ")" = 5 ]'
	same "none of them has another worker's" \
		"$(inside journalctl -u "$unit" --no-pager -o json --grep='GET /echo/.journal ' | grep -vc "\"TANDEM_WORKER\":\"$worker\"")" 0
	more "systemd knows the process, too" "$(entries OBJECT_PID="$pid")" 4
	same "their priority" "$(inside journalctl -u "$unit" --no-pager -o json TANDEM_WORKER="$worker" TANDEM_STREAM=stdout | grep -oE '"PRIORITY":"[0-9]"' | sort -u)" '"PRIORITY":"6"'
	script "kill -SEGV $pid"
	check "a dump of goroutines is one record, of priority 2, under its worker" within 20 eval \
		'[ "$(inside journalctl -u "$unit" --no-pager -o json TANDEM_WORKER='"$worker"' TANDEM_KIND=panic PRIORITY=2 | wc -l)" = 1 ]'

	# the bound is 500 lines, and with a large disk some 3000
	alone
	worker=$(first id)
	script "curl -fsS -o /dev/null '$url/echo/?many=[1-5000]'"
	check "a worker's 5000 lines are all there, beyond what the journal takes of a service" within 20 eval \
		'[ "$(inside journalctl -u "$unit" --no-pager -o cat TANDEM_WORKER='"$worker"' TANDEM_STREAM=stdout | grep -c "GET /echo/?many=")" = 5000 ]'
	fails "the supervisor has dropped none" logged 'dropped [0-9]+ (lines|records)'
	setting APP_ACCESS_LOG off

	lines=$(inside journalctl -u "$unit" --grep='SIGSYS|seccomp|Operation not permitted' --no-pager -o cat | wc -l)
	same "lines about calls that the sandbox refused" "$lines" 0
}
