# Topics of boot_test.sh: reload, restart and upgrade, all under load, and bounds.

topic_reload() {
	local pid generation began
	pid=$(property MainPID)
	generation=$(field generation)
	setting SUPERVISOR_WORKERS 4
	setting APP_BLOCKING_PERMITS 41
	load_on
	began=$(date +%s.%N)
	check "systemctl reload" inside systemctl reload "$unit"
	# no waiting here: the reload has returned, so it must have happened
	same "the reload is complete when it returns ($(seconds "$began") s)" "$(field generation)" $((generation + 1))
	same "it changed the number of workers" "$(ready_workers)" 4
	more "new workers have the changed environment" "$(with_setting APP_BLOCKING_PERMITS=41)" 3
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
	fails "$1: systemctl reload fails" inside systemctl reload "$unit"
	same "$1: the service is still active" "$(property ActiveState)" active
	load_off "$1: no request was lost"
	same "$1: still the old generation" "$(field generation)" "$generation"
	same "$1: at full strength" "$(ready_workers)" "$workers"
	same "$1: the main process is the same" "$(property MainPID)" "$pid"
}

topic_refused() {
	setting SUPERVISOR_BAKE banana
	refused "bad setting of the supervisor"
	check "the journal says which setting" within 10 logged 'bake.*banana'
	setting SUPERVISOR_BAKE 1s

	setting APP_BLOCKING_PERMITS banana
	refused "bad setting of the app"
	check "the journal says which setting" within 10 logged APP_BLOCKING_PERMITS
	setting APP_BLOCKING_PERMITS 42

	script 'cp /usr/bin/app /root/app.good && printf "#!/bin/sh\nexit 1\n" >/root/app.bad && chmod 755 /root/app.bad && mv /root/app.bad /usr/bin/app'
	refused "broken executable"
	script 'mv /root/app.good /usr/bin/app'

	check "after all that, a good reload succeeds" inside systemctl reload "$unit"
	more "and takes effect" "$(with_setting APP_BLOCKING_PERMITS=42)" 2
}

# The drop-in, with what it costs.
topic_notify_reload() {
	local generation
	if [ "$version" -lt 253 ]; then
		skip notify_reload "systemd $version does not know Type=notify-reload"
		return
	fi
	script "install -D -m 644 -t /etc/systemd/system/$unit.d /usr/share/tandem/notify-reload.conf && systemctl daemon-reload"
	inside systemctl restart "$unit"
	same "the drop-in holds" "$(property Type)" notify-reload
	same "systemd-analyze verify, with the drop-in" "$(inside systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1)" ""
	generation=$(field generation)
	setting APP_BLOCKING_PERMITS 43
	load_on
	check "notify-reload: systemctl reload" inside systemctl reload "$unit"
	same "notify-reload: it is complete, and was one reload" "$(field generation)" $((generation + 1))
	same "notify-reload: all workers are new" "$(with_setting APP_BLOCKING_PERMITS=43)" 3
	load_off "notify-reload: no request was lost in it"

	setting APP_BLOCKING_PERMITS banana
	load_on
	check "notify-reload: systemctl reload says nothing of one that was undone" inside systemctl reload "$unit"
	same "notify-reload: the old generation goes on" "$(field generation) $(ready_workers)" "$((generation + 1)) 3"
	check "notify-reload: supervisor status says it" eval 'state | tr -d " \n" | grep "\"result\":\"failed\""'
	load_off "notify-reload: no request was lost"
	setting APP_BLOCKING_PERMITS 42
	script "rm /etc/systemd/system/$unit.d/notify-reload.conf && systemctl daemon-reload"
	inside systemctl restart "$unit"
}

topic_restart() {
	local pid
	pid=$(property MainPID)
	load_on
	check "systemctl restart" inside systemctl restart "$unit"
	load_off "no connection was refused and no request lost in it"
	report "$([ "$(property MainPID)" != "$pid" ]; echo $?)" "it is another process" "$(property MainPID)"
	script "mkdir -p /etc/systemd/system/tandem.socket.d && printf '[Socket]\nListenStream=127.0.0.1:8001\n' >/etc/systemd/system/tandem.socket.d/override.conf"
	check "a second address by a drop-in" script 'systemctl daemon-reload && systemctl restart tandem.socket tandem.service'
	check "it answers there" script "curl -fsS --max-time 20 ${url%0}1/modern/"
}

topic_upgrade() {
	local pid pids restarts
	pid=$(property MainPID) restarts=$(property NRestarts) pids=$(workers | sort | tr '\n' ' ')
	load_on
	check "supervisor upgrade" supervisor upgrade
	load_off "no connection was refused and no request lost in it"
	same "the main process is the same" "$(property MainPID)" "$pid"
	same "the workers are the same" "$(workers | sort | tr '\n' ' ')" "$pids"
	same "the service is active, restarts" "$(property ActiveState) $(property NRestarts)" "active $restarts"
	check "a reload after it" inside systemctl reload "$unit"
	same "workers after it" "$(ready_workers)" 3
}

# The unit's bounds need not follow the settings: the supervisor asks for more.
topic_bounds() {
	local asked began
	drop_in bounds 'TimeoutStartSec=3s\nTimeoutStopSec=3s\n'
	setting SUPERVISOR_BAKE 5s
	began=$(date +%s.%N)
	check "a reload that takes longer than TimeoutStartSec=3s" inside systemctl reload "$unit"
	more "it took so many s" "$(seconds "$began" | cut -d. -f1)" 4
	setting SUPERVISOR_BAKE 1s

	in_flight 60
	began=$(date +%s.%N)
	check "a stop that takes longer than TimeoutStopSec=3s" inside systemctl stop tandem.socket "$unit"
	more "it took so many s" "$(seconds "$began" | cut -d. -f1)" 3
	wait $asked
	report $? "the request in flight was answered to its end" "$(wc -c <"$run/stream") bytes"
	same "the stop was clean" "$(property Result) $(property ExecMainStatus)" "success 0"

	script 'mv /usr/bin/app /usr/bin/app.good && printf "#!/bin/sh\nsleep 5\nexec /usr/bin/app.good\n" >/usr/bin/app && chmod 755 /usr/bin/app'
	began=$(date +%s.%N)
	check "a start that takes longer than TimeoutStartSec=3s" inside systemctl start "$unit"
	more "it took so many s" "$(seconds "$began" | cut -d. -f1)" 4
	script 'mv /usr/bin/app.good /usr/bin/app'
	drop_in bounds
}
