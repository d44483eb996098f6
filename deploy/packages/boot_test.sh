#!/bin/bash
# Boots a real systemd in a container and installs, upgrades, removes and purges
# Tandem's package there, as an administrator does: the upgrades under load, one with a
# broken app and one with a broken supervisor among them. One line per check; the exit
# code is 0 only when all of them passed.
#
#   boot_test.sh [test [deb] [rpm]]  make the packages, boot, check, power off
#   boot_test.sh shell               boot with the packages in /root, and open a shell in it
#
# The .rpm is installed by this machine's rpm, in the same container: what is tested is
# the package and its scripts, not a distribution. Without rpm here it is skipped.
#
#   BIN=DIR    where supervisor, app and hammer are   (default bin/)
#   SUITE=NAME Debian's release in the container      (default: this machine's)
#   TREE=DIR   the cached tree   (default ~/.cache/tandem/systemd-tree-$SUITE)
#
# Needs root, debootstrap, systemd-nspawn, overlayfs and dpkg-deb.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
BIN=$(cd "${BIN:-$top/bin}" && pwd) || exit 2
SUITE=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
TREE=${TREE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem/systemd-tree-$SUITE}
# what the checks of deploy/systemd/test are about
unit=tandem.service dir=tandem settings=/etc/tandem/tandem.env url=http://127.0.0.1:8000
run='' nspawn=''

die() { echo "boot_test: $*" >&2; exit 2; }

for part in machine checks; do
	. "$top/deploy/systemd/test/$part.sh"
done

arch=$(go env GOHOSTARCH)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# binaries VERSION: supervisor and app of that version
binaries() {
	mkdir -p "$made/$1/$arch"
	make -s -C "$top" binaries VERSION="$1" ARCHS="$arch" BINARIES="$made/$1"
}
# pack VERSION: its package, in $made
pack() { PACKAGERS=${2:-deb rpm} NATIVE=$BIN "$top/deploy/packages/build" "$1" "$made" "$made/$1/$arch" >/dev/null; }
deb() { echo "/root/tandem_${1#v}-1_$arch.deb"; }

packages() {
	local broken=$made/v1.2.0/$arch old new
	binaries v1.0.0 && pack v1.0.0 || die "cannot make a package"
	binaries v1.1.0 && pack v1.1.0 || die "cannot make a package"
	# the next version's default settings differ from those of the first
	old=$(ls "$made"/tandem_1.1.0-1_*.deb) new=$made/unpacked
	dpkg-deb -R "$old" "$new" && echo '# new in this version' >>"$new/etc/tandem/tandem.env" && dpkg-deb -Zgzip -z1 -b "$new" "$old" >/dev/null || die "cannot change a package"
	# one that dpkg calls off
	printf '#!/bin/sh\nexit 1\n' >"$new/DEBIAN/preinst" && chmod 755 "$new/DEBIAN/preinst" &&
		dpkg-deb -Zgzip -z1 -b "$new" "$made/called-off.deb" >/dev/null || die "cannot change a package"
	# one whose app ends at once, and one whose supervisor does
	binaries v1.2.0
	printf '#!/bin/sh\necho "this app is broken" >&2\nexit 1\n' >"$broken/app"
	pack v1.2.0 || die "cannot make a package"
	mkdir -p "$made/v1.3.0/$arch"
	cp "$made/v1.1.0/$arch/app" "$made/v1.3.0/$arch/"
	printf '#!/bin/sh\necho "this supervisor is broken" >&2\nexit 1\n' >"$made/v1.3.0/$arch/supervisor"
	chmod 755 "$made/v1.3.0/$arch/supervisor"
	pack v1.3.0 deb || die "cannot make a package"
}

# boot calls it before the container starts
install_into() {
	install -D -m 755 -t "$1/usr/bin" "$BIN/hammer"
	cp "$made"/*.deb "$made"/*.rpm "$1/root/"
	type -P rpm >/dev/null || return 0
	local file
	for file in "$(type -P rpm)" $(ldd "$(type -P rpm)" | grep -oE '/[^ ]+'); do
		[ -e "$1$file" ] || install -D "$file" "$1$file"
	done
	cp -r /usr/lib/rpm "$1/usr/lib/"
}

# files lists what is in the container, but for what belongs to nobody's package
files() {
	script "find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /root -o -path /var/tmp -o -path /var/log/journal -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/cache \) -prune -o -print | sort"
}
# dpkg ARG... and rpm ARG...: what they print is in $run/said, too
dpkg() { inside env DEBIAN_FRONTEND=noninteractive dpkg --force-confold "$@" </dev/null 2>&1 | tee "$run/said"; }
rpm() { inside rpm --nodeps "$@" </dev/null 2>&1 | tee "$run/said"; }
# tells PATTERN: what the package manager printed last has it
tells() { report "$(grep -cE -e "$1" "$run/said" | awk '{ exit !($1 > 0) }'; echo $?)" "the output says so" "$(grep -E '^tandem:' "$run/said" | tr '\n' ' ')"; }
installed() { script "dpkg-query -W -f '\${Status} \${Version}' tandem" 2>/dev/null; }
enabled() { script 'systemctl is-enabled tandem.socket tandem.service' | tr '\n' ' '; }
# asked of the supervisor that runs, not of the command that is installed
state() { script "curl -sS --max-time 20 --unix-socket /run/$dir/supervisor.sock http://tandem/v1/status"; }

first_install() {
	check "dpkg -i of the first version" dpkg -i "$(deb v1.0.0)"
	same "it is" "$(installed)" "install ok installed 1.0.0-1"
	same "the service is enabled" "$(enabled)" "enabled enabled "
	same "and active" "$(property ActiveState)" active
	check "and answers" answers
	same "its version" "$(field version)" v1.0.0
	same "the env file belongs to its group alone" "$(script "stat -c '%a %U:%G' $settings")" "640 root:tandem"
	check "dpkg finds nothing changed" script '[ -z "$(dpkg --verify tandem)" ]'
	same "systemd-analyze verify" "$(inside systemd-analyze verify --man=no --recursive-errors=no tandem.service 2>&1)" ""
	inside systemctl stop tandem.service 2>/dev/null
	check "the first request to the socket starts the service, and waits for it" answers
	within 60 eval '[ "$(property ActiveState)" = active ]'
}

instance() {
	script 'mkdir -p /opt/blue && cp /usr/bin/app /opt/blue/app && cp /usr/share/tandem/tandem.env /etc/tandem/blue.env && chmod 644 /etc/tandem/blue.env'
	check "an instance beside it" inside systemctl enable --now tandem@blue.service
	check "answers" script 'curl -fsS --max-time 60 --unix-socket /run/tandem-blue.sock http://localhost/modern/'
}
blue() { local dir=tandem-blue; field "$1"; }
blue_workers() { local unit=tandem@blue.service; workers | sort | tr '\n' ' '; }

upgraded() {
	local pid before after blue
	setting SUPERVISOR_WORKERS 3
	check "the administrator changes the env file" inside systemctl reload tandem.service
	pid=$(property MainPID) before=$(workers | sort) blue=$(blue_workers)
	load_on
	check "dpkg -i of the next version" dpkg -i "$(deb v1.1.0)"
	load_off "no request was lost in it"
	tells '^tandem: tandem.service: upgraded: supervisor v1.1.0 runs in the place of v1.0.0, pid [0-9]+; its workers are new'
	same "it is" "$(installed)" "install ok installed 1.1.0-1"
	same "the version that runs" "$(field version)" v1.1.0
	same "the main process is the same" "$(property MainPID)" "$pid"
	within 40 eval '[ "$(workers | wc -l)" = 3 ]'
	after=$(workers | sort)
	same "workers that are still the same" "$(comm -12 <(echo "$before") <(echo "$after") | wc -l)" 0
	same "workers" "$(ready_workers)" 3
	same "restarts" "$(property NRestarts)" 0
	same "the changed env file was kept" "$(script "grep -c '^SUPERVISOR_WORKERS=3' $settings; grep -c 'new in this' $settings" | tr '\n' ' ')" "1 0 "
	check "the new one lies beside it" script "grep 'new in this' $settings.dpkg-*"
	script "rm $settings.dpkg-*"
	tells 'tandem@blue.service: upgraded: .* another program, are as they were'
	same "the instance's version" "$(blue version)" v1.1.0
	same "its workers are the same" "$(blue_workers)" "$blue"
}

broken_app() {
	local pid before
	pid=$(property MainPID) before=$(workers | sort)
	load_on
	check "a version with a broken app: dpkg -i succeeds" dpkg -i "$(deb v1.2.0)"
	load_off "a version with a broken app: no request was lost"
	tells '^tandem: tandem.service: upgraded: supervisor v1.2.0 .*; its old workers go on, new ones were refused: failed'
	same "it is" "$(installed)" "install ok installed 1.2.0-1"
	same "the supervisor is the new one" "$(field version)" v1.2.0
	same "the main process is the same" "$(property MainPID)" "$pid"
	same "the workers are the same" "$(workers | sort | tr '\n' ' ')" "$(tr '\n' ' ' <<<"$before")"
	script "kill -KILL $(workers | head -n 1)"
	check "one that is killed is replaced by an old one" within 20 eval '[ "$(ready_workers)" = 3 ]'
}

broken_supervisor() {
	local pid
	pid=$(property MainPID)
	load_on
	check "a version with a broken supervisor: dpkg -i succeeds" dpkg -i "$(deb v1.3.0)"
	load_off "a version with a broken supervisor: no request was lost"
	tells '^tandem: tandem.service goes on with the old version: .*this supervisor is broken'
	same "it is" "$(installed)" "install ok installed 1.3.0-1"
	same "the version that runs" "$(field version)" v1.2.0
	same "the main process is the same" "$(property MainPID)" "$pid"

	load_on
	check "back to the good one" dpkg -i "$(deb v1.1.0)"
	load_off "back to the good one: no request was lost"
	tells '^tandem: tandem.service: upgraded: supervisor v1.1.0 .*; its workers are new'
	same "the version that runs" "$(field version)" v1.1.0
	same "the main process is the same" "$(property MainPID)" "$pid"
	script "rm -f $settings.dpkg-*"
}

left_alone() {
	inside systemctl disable --now tandem.socket tandem.service 2>/dev/null
	check "an upgrade of what is stopped and disabled" dpkg -i "$(deb v1.0.0)"
	script "rm -f $settings.dpkg-*"
	same "does not start it" "$(property ActiveState)" inactive
	same "nor enable it" "$(script 'systemctl is-enabled tandem.socket tandem.service' | tr '\n' ' ')" "disabled disabled "
	check "it can be started again" inside systemctl enable --now tandem.socket tandem.service
	check "and answers" answers
}

# What is starting is waited for, or the old version would come up after the upgrade.
starting() {
	local pid upgrade
	inside systemctl stop tandem.socket tandem.service
	# an app that waits for a sign before it becomes ready
	script 'mv /usr/bin/app /opt/app.waits && printf "#!/bin/sh\nuntil [ -e /run/sign ]; do sleep 0.1; done\nexec /opt/app.waits\n" >/usr/bin/app && chmod 755 /usr/bin/app'
	inside systemctl start --no-block tandem.service
	within 20 eval '[ "$(field version)" = v1.0.0 ]'
	same "the service is starting" "$(property ActiveState)" activating
	pid=$(property MainPID)
	dpkg -i "$(deb v1.1.0)" >/dev/null &
	upgrade=$!
	check "an upgrade waits until it has started" within 60 waits_for_start
	script 'touch /run/sign'
	wait $upgrade
	report $? "and succeeds then"
	tells '^tandem: tandem.service: upgraded: supervisor v1.1.0 runs in the place of v1.0.0, pid [0-9]+; its workers are new'
	same "the version that runs" "$(field version)" v1.1.0
	same "the main process is the same" "$(property MainPID)" "$pid"
	script "rm -f /run/sign /opt/app.waits $settings.dpkg-*"

	# one that does not come up, and is not tried again soon
	inside systemctl stop tandem.service
	script 'mkdir /etc/systemd/system/tandem.service.d && printf "[Service]\nRestartSec=600\nExecStart=\nExecStart=/usr/bin/supervisor -- /bin/sh -c \"until [ -e /run/sign ]; do sleep 0.1; done; exit 1\"\n" >/etc/systemd/system/tandem.service.d/fails.conf && systemctl daemon-reload'
	inside systemctl start --no-block tandem.service
	within 20 eval '[ "$(field version)" = v1.1.0 ]'
	dpkg -i "$(deb v1.0.0)" >/dev/null &
	upgrade=$!
	check "an upgrade waits for one that will not come up" within 60 waits_for_start
	script 'touch /run/sign'
	wait $upgrade
	report $? "and succeeds all the same"
	tells '^tandem: tandem.service was starting, and did not come up: .+'
	same "the service waits for its next attempt" "$(property SubState)" auto-restart
	check "an upgrade does not wait for that" dpkg -i "$(deb v1.1.0)"
	tells '^tandem: tandem.service waits for its next attempt to start, which is that of the new version'
	script "rm -r /run/sign /etc/systemd/system/tandem.service.d && systemctl daemon-reload && systemctl restart tandem.service; rm -f $settings.dpkg-*"
	same "the version that runs" "$(field version)" v1.1.0
}
waits_for_start() { [ "$(script 'ps -C systemctl -o args=' | grep -cx 'systemctl start tandem.service')" = 1 ]; }

# What dpkg calls off ends as it was.
called_off() {
	local pid
	pid=$(property MainPID)
	fails "an upgrade that is called off" dpkg -i /root/called-off.deb
	same "it is" "$(installed)" "install ok installed 1.1.0-1"
	same "the main process is the same" "$(property MainPID) $(property ActiveState)" "$pid active"
	check "it answers" answers

	inside systemctl stop tandem.socket tandem.service
	fails "an upgrade that is called off, of what is stopped" dpkg -i /root/called-off.deb
	same "does not start it" "$(property ActiveState)" inactive
	check "nor does one that is not" dpkg -i "$(deb v1.1.0)"
	same "though it is enabled" "$(property ActiveState) $(enabled)" "inactive enabled enabled "
	inside systemctl start tandem.socket tandem.service

	pid=$(property MainPID)
	script "sed -i '\$aexit 1' /var/lib/dpkg/info/tandem.prerm"
	fails "a removal that is called off, when it has stopped the service" dpkg -r tandem
	script "sed -i '\$d' /var/lib/dpkg/info/tandem.prerm"
	check "leaves the package" script '[ "$(dpkg-query -W -f "\${db:Status-Status}" tandem)" = installed ]'
	check "has stopped it" [ "$(property MainPID)" != "$pid" ]
	same "and starts it again" "$(property ActiveState) $(enabled)" "active enabled enabled "
	check "it answers" answers
}

removed() {
	local answered
	inside curl -sS --max-time 20 -o /dev/null -w '%{http_code}' "$url/busy/?ms=800" >"$run/last" 2>&1 &
	answered=$!
	within 20 eval '[ "$(state | tr -d " \n" | grep -oE "\"in_flight\":1" | wc -l)" -gt 0 ]'
	check "dpkg -r, with a request under way" dpkg -r tandem
	wait $answered
	same "that was answered" "$(cat "$run/last")" 200
	same "processes of the user" "$(script 'ps -u tandem -o pid=' | wc -l)" 0
	same "processes of the instance" "$(script 'ps ax -o args=' | grep -c '[/]opt/blue')" 0
	same "files of the package" "$(script "find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /root -o -path /var/lib/dpkg -o -path /var/lib/tandem\* -o -path /var/lib/private -o -path /var/log -o -path /opt \) -prune -o \( -name '*tandem*' -o -name supervisor \) -print" | sort | tr '\n' ' ')" \
		"/etc/tandem /etc/tandem/tandem.env "
	check "nothing listens" eval "! script 'curl -fsS --max-time 5 $url/modern/'"
	check "systemd has forgotten it" eval "! inside systemctl cat tandem.service"

	check "dpkg -i after that" dpkg -i "$(deb v1.1.0)"
	same "it is enabled and active again" "$(enabled)$(property ActiveState)" "enabled enabled active"
	check "with the settings that were there" script "grep -x SUPERVISOR_WORKERS=3 $settings"
	check "and the data" script 'find /var/lib/tandem/ -name app.db | grep .'
}

purged() {
	check "dpkg --purge" dpkg --purge tandem
	same "the settings of the instance stay" "$(script 'find /etc/tandem -mindepth 1')" /etc/tandem/blue.env
	script 'rm -rf /etc/tandem /opt/blue /var/lib/tandem-blue /var/lib/private/tandem-blue /var/log/tandem-blue /var/log/private/tandem-blue' # the administrator's
	files >"$run/after"
	same "what systemd's helpers remember of it" "$(script 'find /var/lib/systemd /etc/systemd -name "*tandem*"')" ""
	# files of accounts are written anew for the user; it stays
	same "what is left of it, or gone with it" "$(diff "$run/before" "$run/after" | grep '^[<>]' | grep -vE '/etc/\.?(passwd|group|shadow|gshadow|subuid|subgid|pwd)[-.a-z]*$|/var/log/(dpkg|alternatives)|/var/lib/private$|/var/log/private$' | tr '\n' ' ')" ""
	same "the user, whose number is not given away" "$(script 'id -un tandem')" tandem
}

# the .rpm, on a machine that has never had the package
of_rpm() {
	if ! type -P rpm >/dev/null || ! inside rpm --version >/dev/null 2>&1; then
		skip "the .rpm" "there is no rpm on this machine"
		return
	fi
	local pid before
	script 'userdel tandem; rpm --initdb' 2>/dev/null
	check "rpm -i of the first version" rpm -i "$(rpm_file v1.0.0)"
	same "the env file belongs to its group alone" "$(script "stat -c '%a %U:%G' $settings")" "640 root:tandem"
	check "rpm finds nothing changed" script '[ -z "$(rpm -V --nodeps tandem)" ]'
	check "it can be started" inside systemctl enable --now tandem.socket tandem.service
	check "and answers" answers
	setting SUPERVISOR_WORKERS 3
	check "the administrator changes the env file" inside systemctl reload tandem.service
	pid=$(property MainPID) before=$(workers | sort)

	load_on
	check "rpm -U to the next version" rpm -U "$(rpm_file v1.1.0)"
	load_off "no request was lost in it"
	tells '^tandem: tandem.service: upgraded: supervisor v1.1.0 runs in the place of v1.0.0, pid [0-9]+; its workers are new'
	same "the version that runs" "$(field version)" v1.1.0
	same "the main process is the same" "$(property MainPID)" "$pid"
	within 40 eval '[ "$(workers | wc -l)" = 3 ]'
	same "workers that are still the same" "$(comm -12 <(echo "$before") <(workers | sort) | wc -l)" 0
	check "the changed env file was kept" script "grep -x SUPERVISOR_WORKERS=3 $settings"
	check "and the service enabled" inside systemctl is-enabled tandem.service

	before=$(workers | sort | tr '\n' ' ')
	load_on
	check "a version with a broken app: rpm -U succeeds" rpm -U "$(rpm_file v1.2.0)"
	load_off "a version with a broken app: no request was lost"
	tells '^tandem: tandem.service: upgraded: supervisor v1.2.0 .*; its old workers go on, new ones were refused: failed'
	same "the workers are the same" "$(workers | sort | tr '\n' ' ')" "$before"

	check "rpm -e" rpm -e tandem
	same "processes of the user" "$(script 'ps -u tandem -o pid=' | wc -l)" 0
	same "files of the package" "$(script "find /usr /etc \( -name '*tandem*' -o -name supervisor \) -print" | sort | tr '\n' ' ')" \
		"/etc/tandem /etc/tandem/tandem.env.rpmsave "
}
rpm_file() { echo "/root/tandem-${1#v}-1.$(uname -m).rpm"; }

of_deb() {
	files >"$run/before"
	first_install
	instance
	upgraded
	broken_app
	broken_supervisor
	left_alone
	starting
	called_off
	removed
	purged
}

test_packages() {
	local began
	began=$(date +%s)
	packages
	boot
	trap 'power_off; rm -rf "$made"' EXIT
	echo "booted $(inside systemctl --version | head -n 1) of $SUITE, with packages of four versions, after $(($(date +%s) - began)) s"
	for kind in "$@"; do
		echo "--- .$kind"
		"of_$kind"
	done
	if [ "$failed" != 0 ]; then
		echo "--- the end of the journal"
		inside journalctl -u 'tandem*' --no-pager -o short-precise -n 80
	fi
	power_off
	rm -rf "$made"
	echo "$passed passed, $failed failed, $skipped skipped, in $(($(date +%s) - began)) s"
	[ "$failed" = 0 ]
}

case ${1:-test} in
test) shift; [ $# -gt 0 ] || set -- deb rpm; test_packages "$@" ;;
shell) packages && boot && inside env TERM="${TERM:-dumb}" bash -i; power_off; rm -rf "$made" ;;
*) sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
