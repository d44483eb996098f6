#!/bin/bash
# Checks, in seconds and without root, what installs Tandem: make install and make
# uninstall in a scratch directory, the manual pages, the packages' versions and their
# maintainer scripts, what speaks against a release, and, where nfpm has been built (make
# packages builds it), that its configuration makes packages with what belongs in them.
#
#   deploy/packages/verify.sh
#
# One line per check; the exit code is 0 only when all of them passed.
set -uo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SOURCE_DATE_EPOCH=1700000000 VERSION=v1.2.3

. scripts/checks
same() { [ "$1" = "$2" ] || { echo "got '$1', want '$2'"; return 1; }; }
fails() { ! "$@"; }

# --- make install ---

root=$scratch/root
as() { env DESTDIR="$root" PREFIX="$1" scripts/install "$2"; }
run() { "$root/usr/local/bin/$1" version; }
left() { find "$root" -mindepth 1 | sed "s|^$root||" | sort; }
named() { ! grep -rlF "$scratch" "$root" --include='*'; }
starts() { grep -x "ExecStart=$1/bin/supervisor .*" "$root$1/lib/systemd/system/tandem.service"; }
units() {
	command -v systemd-analyze >/dev/null || { echo "skipped: systemd-analyze is not installed" >&2; return 0; }
	local report unit
	for unit in "$root"/usr/local/lib/systemd/system/*; do
		unit=$(basename "${unit/@./@x.}")
		report=$(systemd-analyze verify --man=no --recursive-errors=no --root="$root" "$unit" 2>&1) && [ -z "$report" ] || { echo "$unit: $report"; return 1; }
	done
}
completions() {
	bash -n "$root/usr/local/share/bash-completion/completions/supervisor" &&
		grep -q '^#compdef supervisor' "$root/usr/local/share/zsh/site-functions/_supervisor" &&
		grep -q '^complete -c supervisor' "$root/usr/local/share/fish/vendor_completions.d/supervisor.fish"
}

check "install" as /usr/local install
check "the installed supervisor runs" run supervisor
check "the installed app runs" run app
check "the units start what was installed" starts /usr/local
check "systemd takes the units" units
check "no file has DESTDIR in it" named
check "completions for bash, zsh and fish" completions
check "the env file is for its owner and group alone" same "$(stat -c %a "$root/etc/tandem/tandem.env")" 640
first=$(left)
check "again, over itself" as /usr/local install
check "that changes no list of files" same "$(left)" "$first"
echo "# an older version had this" >"$root/etc/tandem/tandem.env"
cp "$root/etc/tandem/tandem.env" "$root/usr/local/share/tandem/tandem.env"
check "a new version" as /usr/local install
check "brings its env file where that was not changed" cmp -s "$root/etc/tandem/tandem.env" deploy/systemd/tandem.env
echo "APP_ACCESS_LOG=json" >>"$root/etc/tandem/tandem.env"
cp "$root/etc/tandem/tandem.env" "$scratch/changed"
: >"$root/usr/local/bin/retired"
echo "f /usr/local/bin/retired" >>"$root/usr/local/share/tandem/installed"
: >"$root/usr/local/bin/another"
check "the next one" as /usr/local install
check "keeps a changed one" cmp -s "$root/etc/tandem/tandem.env" "$scratch/changed"
check "takes away what it no longer has" [ ! -e "$root/usr/local/bin/retired" ]
check "uninstall" as /usr/local uninstall
check "leaves the changed env file and what was another's" same "$(left | tr '\n' ' ')" \
	"/etc /etc/tandem /etc/tandem/tandem.env /usr /usr/local /usr/local/bin /usr/local/bin/another "
check "there is nothing more to uninstall" fails as /usr/local uninstall
rm -r "$root"
check "install elsewhere" as /opt/tandem install
check "the units start that" starts /opt/tandem
check "uninstall that" as /opt/tandem uninstall
check "nothing is left" same "$(left)" ""
check "a relative PREFIX is refused" fails as usr install
check "and changes nothing" same "$(left)" ""

# --- manual pages ---

check "install for the manuals" as /usr install
lint() {
	local page report
	for page in "$root"/usr/share/man/man*/*; do
		report=$(mandoc -T lint -W warning "$page") || { echo "$report"; return 1; }
	done
}
formats() {
	local page report
	for page in "$root"/usr/share/man/man*/*; do
		report=$(MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
		[ -z "$report" ] || { echo "$report"; return 1; }
	done
}
if command -v mandoc >/dev/null; then check "mandoc has nothing to say of the manuals" lint; else echo "skip  mandoc is not installed"; fi
if command -v groff >/dev/null && command -v man >/dev/null; then check "nor has man" formats; else echo "skip  man and groff are not installed"; fi
check "date and version are in their titles" grep -x '\.TH SUPERVISOR 1 "2023-11-14" "Tandem v1.2.3" "Tandem.s manual"' "$root/usr/share/man/man1/supervisor.1"

# --- releases ---

# a tree of its own, of which nothing speaks against a release of v1.2.3
tree=$scratch/tree
release_tree() {
	mkdir -p "$tree/deploy/release" "$tree/bin/tools"
	cp deploy/release/against "$tree/deploy/release/"
	install -m 755 /dev/null "$tree/bin/tools/helm"
	echo "## 1.2.3 - 2023-11-14" >"$tree/CHANGELOG.md"
	in_tree git init -q && echo /bin/ >"$tree/.git/info/exclude" && in_tree git add . &&
		in_tree git -c user.name=x -c user.email=x@example.org commit -qm x && in_tree git tag v1.2.3
}
in_tree() { env -C "$tree" -u GIT_DIR -u GIT_WORK_TREE "$@"; }
# against SETTING...: what is said of v1.2.3, and at last the exit code
against() { in_tree env MAINTAINER='X <x@example.org>' "$@" deploy/release/against "${release:-v1.2.3}" 2>&1; echo "$?"; }
# speaks PATTERN [COMMAND...]: with STRICT=1 and after the command the exit code is 1, and a line says why; without it is 0, with the same line
speaks() {
	local said pattern=$1
	shift
	in_tree "$@" || return
	said=$(against STRICT=1 ${setting:+"$setting"})
	grep -qE -e "^  - .*$pattern" <<<"$said" && [ "${said##*$'\n'}" = 1 ] || { echo "with STRICT=1: $said"; return 1; }
	[ "$(against STRICT= ${setting:+"$setting"})" = "${said%1}0" ] || { echo "without: $(against STRICT=)"; return 1; }
}
check "a tree to be released" release_tree
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
	check "nothing speaks against it" same "$(against STRICT=1)" 0
else
	echo "skip  there are no CA certificates here, which speaks against any release"
fi
release=v1.2.4 check "a version without a tag" speaks "no tag v1.2.4" true
release=v1.2.4 check "and without a section" speaks "no section 1.2.4" true
release=v1.2 check "one that is none" speaks "v1.2 is no release's version" true
setting=MAINTAINER= check "without a maintainer" speaks MAINTAINER true
check "a change that is not committed" speaks "not committed" touch new
check "without the chart" speaks "chart is missing" rm new bin/tools/helm

# --- packages ---

while read -r from to; do
	check "VERSION=$from is package $to" same "$(deploy/packages/version "$from")" "$to"
done <<-'END'
	v1.2.3 1.2.3
	v1.2.3-rc.1 1.2.3~rc.1
	v1.2.3-4-gabc1234 1.2.3+4.gabc1234
	v1.2.3-rc.1-4-gabc1234-dirty 1.2.3~rc.1+4.gabc1234.dirty
	abc1234-dirty 0.0.0+git.20231114221320.abc1234.dirty
END
check "VERSION=banana is none" fails deploy/packages/version banana
if command -v dpkg >/dev/null; then
	check "a candidate is before its release" dpkg --compare-versions "$(deploy/packages/version v1.2.3-rc.1)" lt "$(deploy/packages/version v1.2.3)"
	check "a later commit is behind it" dpkg --compare-versions "$(deploy/packages/version v1.2.3-4-gabc1234)" gt "$(deploy/packages/version v1.2.3)"
fi
for file in deploy/packages/upgrade-services deploy/packages/{deb,rpm}/*; do
	case $file in */lintian-overrides) continue ;; esac
	check "sh -n $file" sh -n "$file"
done

# left_by_purge [FILE]: what a purge of the package leaves in /etc, with FILE in /etc/tandem that is not its own
left_by_purge() { (
	at=$scratch/purge
	mkdir -p "$at/etc/tandem"
	touch "$at/etc/tandem/tandem.env" "$at/etc/tandem/tandem.env.dpkg-dist" ${1:+"$at/etc/tandem/$1"}
	DPKG_ROOT=$at sh deploy/packages/deb/postrm purge >/dev/null 2>&1 || echo "postrm failed"
	cd "$at" && find etc -mindepth 1 | sort | tr '\n' ' '
	rm -rf "$at"
); }
check "a purge takes the settings away" same "$(left_by_purge)" ""
check "a purge leaves the settings of an instance" same "$(left_by_purge shop.env)" "etc/tandem etc/tandem/shop.env "

# has FORMAT FILES...: the package lists them all
has() {
	local listing file
	case $1 in
	deb) listing=$(dpkg-deb --fsys-tarfile "$scratch"/packages/*.deb | tar -t | sed 's|^\.||') ;;
	rpm) listing=$(rpm -qlp "$scratch"/packages/*.rpm) ;;
	esac || return 1
	for file in "${@:2}"; do
		grep -qx -e "$file" <<<"$listing" || { echo "$file is missing"; return 1; }
	done
}
pack() {
	make -s binaries ARCHS="$(go env GOHOSTARCH)" BINARIES="$scratch/bin" &&
		deploy/packages/build v1.2.3 "$scratch/packages" "$scratch/bin/$(go env GOHOSTARCH)"
}
everything=(/usr/bin/{supervisor,app} /usr/lib/systemd/system/tandem{,@}.{service,socket} /usr/share/tandem/{tandem.env,notify-reload.conf}
	/usr/lib/sysusers.d/tandem.conf /usr/lib/tandem/upgrade-services
	/etc/tandem/tandem.env /usr/share/man/man1/{supervisor,app}.1.gz /usr/share/man/man5/tandem.env.5.gz /usr/share/bash-completion/completions/supervisor)
if [ -x bin/tools/nfpm ]; then
	check "nfpm makes packages" pack
	if command -v dpkg-deb >/dev/null; then
		check "the .deb has everything" has deb "${everything[@]}" /usr/share/zsh/vendor-completions/_supervisor /usr/share/doc/tandem/copyright
		check "its env file is a conffile" same "$(dpkg-deb -I "$scratch"/packages/*.deb conffiles)" /etc/tandem/tandem.env
	fi
	if command -v lintian >/dev/null; then check "lintian" lintian --allow-root --fail-on error,warning "$scratch"/packages/*.deb; else echo "skip  lintian is not installed"; fi
	if command -v rpm >/dev/null; then
		check "the .rpm has everything" has rpm "${everything[@]}" /usr/share/zsh/site-functions/_supervisor
		check "its env file is configuration" same "$(rpm -qcp "$scratch"/packages/*.rpm)" /etc/tandem/tandem.env
	fi
else
	echo "skip  nfpm has not been built here; make packages does"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
