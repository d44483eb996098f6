#!/bin/bash
# Checks the systemd units without starting anything, in seconds: the instance form
# is in step with the other; systemd-analyze verify; an exposure of at most 1.5 by
# systemd-analyze security; and an env file whose values both programs take. (That
# it lists every setting of the supervisor, and that the unit's bounds fit, is
# deploy/settings_test.go's matter.)
#
#   deploy/systemd/verify.sh [DIRECTORY OF supervisor AND app]
#
# The directory defaults to bin/. What systemd-analyze cannot check here, because it
# is not installed or too old, is skipped, and it says so.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:-$here/../../bin}" && pwd)
most=15 # exposure, in tenths

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

in_step() {
	local kind
	"$here/instances.sh" "$root"
	for kind in service socket; do
		diff -u "$here/tandem@.$kind" "$root/tandem@.$kind" || {
			echo "tandem@.$kind is not what instances.sh makes of tandem.$kind: run it" >&2
			exit 1
		}
	done
	echo "instance units in step"
}

# verified UNIT: systemd-analyze verify says nothing; it reports some mistakes, such
# as unknown keys, with exit code 0
verified() {
	local report
	report=$(systemd-analyze verify --man=no --recursive-errors=no --root="$root" "$1" 2>&1) && [ -z "$report" ] || {
		echo "systemd-analyze verify $1: $report" >&2
		exit 1
	}
}

units() {
	if ! command -v systemd-analyze >/dev/null; then
		echo "skipped: systemd-analyze is not installed; the units were not verified"
		return
	fi
	local etc=$root/etc/systemd/system unit report exposure=()
	install -D -m 644 -t "$etc" "$here"/tandem{,@}.{service,socket}
	# verify wants the executable to exist, not to work
	install -d "$root/usr/bin"
	printf '#!/bin/sh\n' >"$root/usr/bin/supervisor"
	chmod 755 "$root/usr/bin/supervisor"
	for unit in tandem.service tandem.socket tandem@i.service tandem@i.socket; do
		verified "$unit"
	done
	for unit in tandem.service tandem@i.service; do
		if ! report=$(systemd-analyze security --offline=yes --no-pager --root="$root" --threshold=$most "$unit" 2>&1); then
			printf '%s\n' "$report" >&2
			echo "$unit is exposed above $((most / 10)).$((most % 10)), see above" >&2
			exit 1
		fi
		exposure+=("$unit ${report##*: },")
	done
	report=${exposure[*]}
	echo "units ok: ${report%,}"

	local version
	version=$(systemd-analyze --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')
	# nothing but what the drop-in is for, whether or not this systemd knows the type
	diff -u --label "what notify-reload.conf sets" <(grep -vE '^(#|$)' "$here/notify-reload.conf") \
		--label "what it should" <(printf '[Service]\nType=notify-reload\nExecReload=\n') || exit 1
	if [ "$version" -lt 253 ]; then
		echo "notify-reload.conf: text ok; systemd $version cannot verify it (boot_test.sh with SUITE=trixie does)"
		return
	fi
	for unit in tandem.service tandem@.service; do
		install -D -m 644 -t "$etc/$unit.d" "$here/notify-reload.conf"
	done
	verified tandem.service
	verified tandem@i.service
	echo "notify-reload.conf ok"
}

# names PREFIX [FILE]: the settings of that prefix at the start of a line, commented out or not
names() { sed -nE "s/^#?($1_[A-Z_]+)=.*/\1/p" "${2:--}" | sort; }

environment() {
	local all=$root/all.env report
	# every setting that has a value, switched on; with directories that are there
	sed -E "s/^#((SUPERVISOR|APP)_[A-Z_]+=.)/\1/; s,=(/var/lib|/run)/tandem,=$root," "$here/tandem.env" >"$all"
	if ! report=$(cd "$root" && env -i PATH="$PATH" "$bin/supervisor" check --env-file "$all" 2>&1); then
		echo "supervisor check refuses what tandem.env says is a default: $report" >&2
		exit 1
	fi
	if ! report=$(
		set -a
		. <(grep -E '^APP_' "$all")
		"$bin/app" routes 2>&1
	); then
		echo "app refuses what tandem.env says is a default: $report" >&2
		exit 1
	fi

	diff -u --label "app help" --label tandem.env \
		<("$bin/app" help 2>&1 | grep -oE '\bAPP_[A-Z_]+' | sort -u) <(names APP "$here/tandem.env") || {
		echo "tandem.env and app do not know the same settings" >&2
		exit 1
	}
	echo "env file ok: $(names SUPERVISOR "$here/tandem.env" | wc -l) settings of the supervisor, $(names APP "$here/tandem.env" | wc -l) of the app"
}

in_step
units
environment
