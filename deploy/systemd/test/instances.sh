# Topic of boot_test.sh: two services of the instance form beside the other one.

declare -A ports=([blue]=8010 [green]=8020)

# instance NAME installs one, as README.md says, with an address of TCP beside its own
instance() {
	script "install -D -m 755 /usr/bin/app /opt/$1/app && install -m 644 /usr/share/tandem/tandem.env /etc/tandem/$1.env &&
		mkdir -p /etc/systemd/system/tandem@$1.socket.d &&
		printf '[Socket]\nListenStream=127.0.0.1:${ports[$1]}\n' >/etc/systemd/system/tandem@$1.socket.d/port.conf"
	as "$1" setting SUPERVISOR_WORKERS 2
}

# untouched says by what one would see that a service was disturbed
untouched() { echo "$(property MainPID) $(property NRestarts) $(property ActiveState) $(field generation) $(workers | sort | tr '\n' ' ')"; }

topic_instances() {
	local was others uid
	instance blue
	instance green
	# green's env file holds secrets: it has a lasting user, blue one that comes and goes
	script "mkdir -p /etc/sysusers.d && echo 'u tandem-green - \"Tandem green\" /var/lib/tandem-green /usr/sbin/nologin' >/etc/sysusers.d/tandem-green.conf &&
		systemd-sysusers && chgrp tandem-green /etc/tandem/green.env && chmod 640 /etc/tandem/green.env"
	inside systemctl daemon-reload
	others=$(untouched)
	check "blue: systemctl start of its socket" inside systemctl start tandem@blue.socket
	check "blue: the first request, on its unix socket, starts it and is answered" \
		script 'curl -fsS --max-time 60 --unix-socket /run/tandem-blue.sock http://blue/modern/'
	check "green: systemctl start" inside systemctl start tandem@green.service
	check "green: it answers" as green answers
	within 40 eval '[ "$(as blue property ActiveState)" = active ]'
	# by number: minbase has no module that gives such a user its name
	uid=$(script "stat -c %u /proc/$(as blue property MainPID)")
	report "$([ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ]; echo $?)" "blue: it runs as a dynamic user" "$uid"
	same "green: it runs as" "$(script "stat -c %U /proc/$(as green property MainPID)")" tandem-green
	check "blue: the migration's command, as its own user in its own directory" migration tandem-blue blue /opt/blue/app
	same "blue: the control socket" "$(script 'stat -c "%A %u" /run/tandem-blue/supervisor.sock')" "srw------- $uid"
	same "green: state and logs" "$(script 'stat -c "%A %U" /var/lib/tandem-green/ /var/log/tandem-green/ | tr "\n" " "')" \
		"drwx------ tandem-green drwxr-x--- tandem-green "
	fails "blue's user cannot reach green's control socket" script \
		"setpriv --reuid=$uid --clear-groups env SUPERVISOR_CONTROL=/run/tandem-green/supervisor.sock supervisor status"
	more "blue: supervisor status" "$(as blue ready_workers)" 1
	same "green: its program" "$(script "tr '\0' ' ' </proc/$(as green workers | head -n 1)/cmdline")" "/opt/green/app "

	was=$(as green untouched)
	as blue setting APP_BLOCKING_PERMITS 39
	as green load_on
	check "blue: systemctl reload, with load on green" inside systemctl reload tandem@blue.service
	same "blue: its workers have the changed environment" "$(as blue with_setting APP_BLOCKING_PERMITS=39)" 2
	as blue setting APP_BLOCKING_PERMITS banana
	fails "blue: a reload with a wrong setting fails" inside systemctl reload tandem@blue.service
	as blue setting APP_BLOCKING_PERMITS 39
	script "kill -KILL $(as blue property MainPID)"
	check "blue: a killed supervisor is restarted" within 40 eval \
		'[ "$(as blue property NRestarts)" -gt 0 ] && [ "$(as blue property ActiveState)" = active ]'
	as green load_off "green: no request was lost in any of that"
	same "green: it was not touched" "$(as green untouched)" "$was"
	check "green: systemctl reload" inside systemctl reload tandem@green.service

	as blue setting SUPERVISOR_WORKERS banana
	inside systemctl stop tandem@blue.service
	fails "blue: a wrong setting fails its start" inside systemctl start tandem@blue.service
	check "blue: the journal names setting, value and file" within 10 as blue logged 'workers.*banana.*blue.env'
	inside systemctl stop tandem@blue.socket tandem@blue.service
	same "blue: processes left" "$(script "ps -u $uid -o pid=" | wc -l)" 0
	check "green: it goes on" as green answers
	check "green: systemctl stop" inside systemctl stop tandem@green.socket tandem@green.service
	same "green: the stop was clean" "$(as green property Result) $(as green property ExecMainStatus)" "success 0"
	same "green: processes left" "$(as green left)" 0
	same "the service beside them was not touched" "$(untouched)" "$others"
}
