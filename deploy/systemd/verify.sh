#!/bin/bash
# Checks the systemd units without starting anything, in seconds:
# systemd-analyze verify, an exposure of at most 1.5 by systemd-analyze security,
# and an env file whose values both programs take. (That it lists every setting
# of the supervisor is deploy/settings_test.go's matter.)
#
#   deploy/systemd/verify.sh [DIRECTORY OF supervisor AND app]
#
# The directory defaults to bin/. Without systemd-analyze the units are skipped,
# and it says so.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:-$here/../../bin}" && pwd)
most=15 # exposure, in tenths

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

units() {
	if ! command -v systemd-analyze >/dev/null; then
		echo "skipped: systemd-analyze is not installed; tandem.service and tandem.socket were not verified"
		return
	fi
	install -D -m 644 -t "$root/etc/systemd/system" "$here/tandem.service" "$here/tandem.socket"
	# verify wants the executable to exist, not to work
	install -d "$root/usr/bin"
	printf '#!/bin/sh\n' >"$root/usr/bin/supervisor"
	chmod 755 "$root/usr/bin/supervisor"

	local unit report
	for unit in tandem.service tandem.socket; do
		# verify reports some mistakes, such as unknown keys, with exit code 0
		report=$(systemd-analyze verify --man=no --recursive-errors=no --root="$root" "$unit" 2>&1) && [ -z "$report" ] || {
			echo "systemd-analyze verify $unit: $report" >&2
			exit 1
		}
	done
	if ! report=$(systemd-analyze security --offline=yes --no-pager --root="$root" --threshold=$most tandem.service 2>&1); then
		printf '%s\n' "$report" >&2
		echo "tandem.service is exposed above $((most / 10)).$((most % 10)), see above" >&2
		exit 1
	fi
	echo "units ok: ${report##*→ }"
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

units
environment
