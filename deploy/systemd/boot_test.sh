#!/bin/bash
# Boots a real systemd in a container and puts Tandem through its paces under it,
# installed the way README.md says. One line per check; the exit code is 0 only when
# all of them passed.
#
#   boot_test.sh [test [TOPIC...]]  prepare where needed, boot, check, power off
#   boot_test.sh prepare            make the cached Debian tree (a minute, once, 180 MB)
#   boot_test.sh shell              boot and open a shell in it; leaving it powers off
#
# Without a TOPIC it is all of them:
#
#   transient    without sysusers: a user that comes and goes with the service
#   activation   socket activation: the first request waits; Type=notify
#   verified     systemd's own checks of the units
#   status       what systemctl status shows
#   reload refused notify_reload restart upgrade    each under load
#   bounds       timeouts that are longer than the unit's
#   crash dies idle_connection watchdog why stubborn
#   sandbox journal
#   instances    two of the instance form beside the other
#   restore      a copy of the database in its place
#   stop unlisted never_ready bad_start
#
#   BIN=DIR    where supervisor, app and hammer are   (default bin/)
#   SUITE=NAME Debian's release in the container      (default: this machine's)
#   TREE=DIR   the cached tree   (default ~/.cache/tandem/systemd-tree-$SUITE)
#   SED=EXPR   changes the services' units before the test: to see a check fail
#
# Needs root, debootstrap, systemd-nspawn and overlayfs.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
BIN=$(cd "${BIN:-$here/../../bin}" && pwd) || exit 2
SUITE=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
TREE=${TREE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem/systemd-tree-$SUITE}
SED=${SED-}
# what is looked at; as changes them for a while
unit=tandem.service dir=tandem settings=/etc/tandem/tandem.env url=http://127.0.0.1:8000
run='' nspawn=''
topics=(transient activation verified status reload refused notify_reload restart upgrade bounds
	crash dies idle_connection watchdog why stubborn sandbox journal instances restore stop unlisted never_ready bad_start)

die() { echo "boot_test: $*" >&2; exit 2; }

for part in machine checks start reload crash inside instances; do
	. "$here/test/$part.sh"
done

# all_checks TOPIC...
all_checks() {
	local began topic t
	for topic in "$@"; do
		[[ " ${topics[*]} " = *" $topic "* ]] || die "no topic $topic; there are: ${topics[*]}"
	done
	began=$(date +%s)
	boot
	version=$(inside systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')
	echo "booted systemd $version of $SUITE in $(($(date +%s) - began)) s"
	case $1 in transient | activation) ;; *) sysusers ;; esac
	for topic in "$@"; do
		t=$(date +%s)
		echo "--- $topic"
		case $topic in transient | activation) ;; *) steady ;; esac
		"topic_$topic"
		echo "    $topic took $(($(date +%s) - t)) s"
	done
	if [ "$failed" != 0 ]; then
		echo "--- the end of the journal"
		inside journalctl -u 'tandem*' --no-pager -o short-precise -n 80
	fi
	power_off
	echo "$passed passed, $failed failed, $skipped skipped, in $(($(date +%s) - began)) s"
	[ "$failed" = 0 ]
}

case ${1:-test} in
test) shift; [ $# -gt 0 ] || set -- "${topics[@]}"; all_checks "$@" ;;
prepare) prepare && echo "ready: $TREE" ;;
shell) boot && inside env TERM="${TERM:-dumb}" bash -i; power_off ;;
*) sed -n '2,32s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
