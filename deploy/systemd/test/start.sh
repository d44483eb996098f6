# Topics of boot_test.sh: how the service starts, and how it ends.

topic_transient() {
	script 'chmod 644 /etc/tandem/tandem.env'
	check "it starts without a lasting user" inside systemctl start tandem.service
	check "and serves" answers
	check "the migration's command finds its state, which is private" migration tandem tandem /usr/bin/app
	check "and stops" inside systemctl stop tandem.socket tandem.service
	check "a copy in the place of the database, while there is nobody to name" script 'cd /var/lib/tandem/var && cp app.db /root/backup.db && rm -f app.db-wal app.db-shm &&
		install -m 600 /root/backup.db app.db && chown --reference=/var/lib/tandem/var app.db'
	check "it starts on that" inside systemctl start tandem.service
	more "and writes to it" "$(post new)" 0
	inside systemctl stop tandem.socket tandem.service
	script 'chmod 640 /etc/tandem/tandem.env'
}

# sysusers is the last step of the installation that README.md describes
sysusers() {
	check "sysusers makes the user" inside systemd-sysusers
	script 'chgrp tandem /etc/tandem/tandem.env && chmod 640 /etc/tandem/tandem.env' || die "no group tandem"
}

# migration USER ENVFILE PROGRAM: README.md's command for migrations, which here only reads
migration() {
	inside systemd-run --pipe --wait -p DynamicUser=yes -p User="$1" -p StateDirectory="$1" -p StateDirectoryMode=0700 \
		-p WorkingDirectory="/var/lib/$1" -p EnvironmentFile="/etc/tandem/$2.env" "$3" migrate status
}

# both_read: what README.md says of systemd's reading of an env file, beside the supervisor's
both_read() {
	script "cat >/root/both.env" <<-'EOF'
		export APP_A=a
		APP.B=b
		APP_C=c\d
		APP_D='d' # e
		APP_E='e\n "$#'
	EOF
	same "systemd reads of an env file" "$(script 'systemd-run --quiet --pipe --wait -p EnvironmentFile=/root/both.env /usr/bin/env | grep ^APP | sort | paste -sd "|"')" \
		"APP_C=cd|APP_D=d# e|APP_E=e\\n \"\$#"
	same "the supervisor has workers' keys of it" "$(script 'supervisor check --env-file /root/both.env -- /usr/bin/app | grep "^env file"')" \
		"env file /root/both.env: 5 keys for workers: APP_A, APP.B, APP_C, APP_D, APP_E"
}

topic_activation() {
	sysusers
	check "systemctl start tandem.socket" inside systemctl start tandem.socket
	same "the service waits for the first connection" "$(property ActiveState)" inactive
	check "the first request waits until it has started, and is answered" answers
	within 60 eval '[ "$(property ActiveState)" = active ]'
	same "the service is active" "$(property ActiveState)" active
	check "systemctl stop" inside systemctl stop tandem.service tandem.socket

	local began
	began=$(date +%s.%N)
	check "systemctl start" inside systemctl start tandem.service
	# Type=notify: when start returns, workers are ready, not merely begun
	more "start returns when workers are ready, which took $(seconds "$began") s" "$(ready_workers)" 0
	same "each worker has its part of the machine's memory as GOMEMLIMIT, though the sandbox hides /proc/meminfo" \
		"$(with_setting "GOMEMLIMIT=$(share_of "$(ready_workers)")B")" "$(ready_workers)"
	check "the migration's command, with a lasting user" migration tandem tandem /usr/bin/app
	both_read
	same "it listens on systemd's socket" "$(state | tr -d ' \n' | grep -oE '"listeners":\[[^]]*\]')" '"listeners":["tcp://127.0.0.1:8000"]'
}

topic_stop() {
	local asked began
	in_flight 30
	began=$(date +%s.%N)
	check "systemctl stop with a request in flight" inside systemctl stop tandem.socket tandem.service
	wait $asked
	report $? "the request in flight was answered to its end" "$(wc -c <"$run/stream") bytes, stop took $(seconds "$began") s"
	same "the stop was clean" "$(property Result) $(property ExecMainStatus)" "success 0"
	same "processes left" "$(left)" 0
	fails "the control socket is gone" script 'test -e /run/tandem'
}

# post TITLE: makes a post, and prints its number
post() { script "curl -fsS --max-time 20 -H 'Content-Type: application/json' -d '{\"title\":\"$1\",\"tag\":\"boot\"}' $url/posts/" | grep -oE '"id": ?[0-9]+' | grep -oE '[0-9]+'; }
# post_is NUMBER: the HTTP status that it is answered with
post_is() { script "curl -sS --max-time 60 -o /dev/null -w '%{http_code}' $url/posts/$1/"; }

# What docs/operations.md says to do under the units, and why it stops the socket, too.
topic_restore() {
	local kept lost
	kept=$(post kept)
	inside systemctl stop tandem.socket tandem.service
	script 'cp /var/lib/tandem/var/app.db /root/backup.db'
	inside systemctl start tandem.socket tandem.service
	lost=$(post lost)
	same "two posts, one of them after the copy" "$(post_is "$kept") $(post_is "$lost")" "200 200"
	inside systemctl stop tandem.socket tandem.service
	check "a copy is put in the place of the database" script 'rm -f /var/lib/tandem/var/app.db-wal /var/lib/tandem/var/app.db-shm &&
		install -o tandem -g tandem -m 600 /root/backup.db /var/lib/tandem/var/app.db'
	check "systemctl start" inside systemctl start tandem.socket tandem.service
	same "the first is there, the second is not" "$(post_is "$kept") $(post_is "$lost")" "200 404"
	more "it can be written to" "$(post more)" "$kept"

	check "supervisor stop" supervisor stop
	within 40 eval '[ "$(property ActiveState)" = inactive ]'
	same "systemd takes it for the end that was asked for" "$(property ActiveState) $(property Result)" "inactive success"
	check "the socket is left, and the next connection starts it again" answers
	within 40 eval '[ "$(property ActiveState)" = active ]'
}

# Type=notify: a start has not succeeded before workers are ready
topic_never_ready() {
	inside systemctl stop tandem.socket tandem.service
	setting SUPERVISOR_BOOT_TIMEOUT 500ms
	script 'cp /usr/bin/app /root/app.good && printf "#!/bin/sh\nexec sleep 60\n" >/usr/bin/app'
	fails "workers that never become ready fail the start" inside timeout 60 systemctl start tandem.service
	# from the journal: the next attempt may have begun
	check "with the supervisor's exit code for it" within 20 logged 'Main process exited, code=exited, status=3/' -n 200
	inside systemctl stop tandem.service tandem.socket
	same "processes left" "$(left)" 0
	script 'mv /root/app.good /usr/bin/app; systemctl reset-failed tandem.service 2>/dev/null'
	setting SUPERVISOR_BOOT_TIMEOUT 30s
}

# ExecStartPre= is supervisor check
topic_bad_start() {
	inside systemctl stop tandem.socket tandem.service
	setting SUPERVISOR_WORKERS banana
	fails "a bad env file fails the start" inside systemctl start tandem.service
	check "the journal names setting, value and file" within 10 logged 'workers.*banana.*tandem.env' -n 20
	check "it was ExecStartPre= that refused" logged 'Control process exited, code=exited, status=2' -n 20
	check "systemd gives up after some attempts" within 40 logged 'Start request repeated too quickly' -n 20
	same "nothing was started" "$(left)" 0
	same "the socket is closed then" "$(inside systemctl show -P ActiveState tandem.socket)" failed
	inside systemctl stop tandem.socket tandem.service
	setting SUPERVISOR_WORKERS 3
	script 'systemctl reset-failed tandem.service tandem.socket 2>/dev/null'
}
