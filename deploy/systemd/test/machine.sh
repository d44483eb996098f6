# The machine of boot_test.sh, which reads this file: a cached Debian tree, booted in
# a container. Nothing here is killed but what this script has started, and the
# cached tree is never written to.

prepare() {
	[ ! -e "$TREE/.complete" ] || return 0
	local mirror
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
	[ -n "$mirror" ] || die "apt has no package source to make the tree from"
	rm -rf "$TREE"
	mkdir -p "$TREE"
	echo "making $TREE (once)"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps,curl \
		"$SUITE" "$TREE" "$mirror" >"$TREE.log" 2>&1 ||
		die "debootstrap failed, see $TREE.log"
	rm -rf "$TREE"/var/cache/apt/archives/*.deb "$TREE"/var/lib/apt/lists/* "$TREE"/etc/apt/sources.list
	systemctl --root="$TREE" -q mask systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
		e2scrub_all.timer fstrim.timer getty@.service console-getty.service
	: >"$TREE/etc/machine-id"
	touch "$TREE/.complete"
}

# init prints the pid that the container's PID 1 has here
init() { pgrep -P "$nspawn" -x systemd; }
# inside runs a command in the container; script runs a line of shell there
inside() { nsenter -t "$(init)" -m -u -i -n -p -C -r -w -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
script() { inside bash -c "$1"; }
property() { inside systemctl show -P "$1" "$unit"; }
# within SECONDS COMMAND...: polls until it succeeds
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
booted() { [[ $(inside systemctl is-system-running) =~ ^(running|degraded)$ ]]; }

boot() {
	[ "$(id -u)" = 0 ] || die "needs root"
	local tool
	for tool in debootstrap systemd-nspawn nsenter; do
		command -v $tool >/dev/null || die "$tool is missing (Debian packages: debootstrap systemd-container util-linux)"
	done
	for tool in supervisor app hammer; do
		[ -x "$BIN/$tool" ] || die "$BIN/$tool is missing: make build, go build -o bin/ ./deploy/hammer"
	done
	prepare
	run=$(mktemp -d)
	trap power_off EXIT
	mkdir "$run/upper" "$run/work" "$run/root"
	mount -t overlay tandem-boot -o "lowerdir=$TREE,upperdir=$run/upper,workdir=$run/work" "$run/root" || die "overlayfs is missing"
	install_into "$run/root"
	# A cgroup2 tree for it even where the host has v1; no machined and no unit on
	# the host; a network of its own, with loopback only.
	(
		own_groups join
		SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec setsid systemd-nspawn --quiet --boot --register=no --keep-unit \
			--console=pipe --private-network --machine="tandem-boot-$$" --directory="$run/root"
	) </dev/null >"$run/console.log" 2>&1 &
	nspawn=$!
	within 120 booted || { tail -n 20 "$run/console.log"; die "the container did not boot"; }
}

# own_groups join|leave: control groups of this container's own. Without them two that
# run at once share theirs, and each systemd finds the processes of the other.
own_groups() {
	local at group
	for at in $(awk '$3 == "cgroup2" || $3 == "cgroup" && $4 ~ /name=systemd/ { print $2 }' /proc/mounts); do
		group=$at/tandem-boot-$$
		case $1 in
		join) mkdir -p "$group" && echo "$BASHPID" >"$group/cgroup.procs" || exit 1 ;;
		leave) [ ! -d "$group" ] || within 10 find "$group" -depth -type d -exec rmdir {} + ;;
		esac
	done
}

power_off() {
	trap - EXIT
	if [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; then
		inside systemctl poweroff >/dev/null 2>&1
		within 60 eval "! kill -0 $nspawn" || kill -KILL "$nspawn"
		wait "$nspawn" 2>/dev/null
	fi
	own_groups leave
	! mountpoint -q "$run/root" || umount "$run/root"
	rm -rf "$run"
}

# what README.md tells an administrator to do, but for the parts that need a running systemd
install_into() {
	install -D -m 755 -t "$1/usr/bin" "$BIN/supervisor" "$BIN/app" "$BIN/hammer"
	install -D -m 644 -t "$1/etc/systemd/system" "$here"/tandem{,@}.{service,socket}
	install -D -m 644 "$here/tandem.sysusers" "$1/usr/lib/sysusers.d/tandem.conf"
	install -D -m 640 "$here/tandem.env" "$1/etc/tandem/tandem.env"
	install -D -m 644 -t "$1/usr/share/tandem" "$here/notify-reload.conf" "$here/tandem.env"
	# The journal's bound on what a service says grows with the free disk: to be beyond it,
	# a test need not say so much.
	install -d "$1/etc/systemd/journald.conf.d"
	printf '[Journal]\nRateLimitBurst=500\n' >"$1/etc/systemd/journald.conf.d/bound.conf"
	[ -z "$SED" ] || sed -i -E "$SED" "$1"/etc/systemd/system/tandem{,@}.service
}
