#!/bin/bash
# Ends what up.sh has started, by the pids that it kept, and takes away what a node
# leaves on its host: tasks, mounts, network namespaces, links, iptables rules, cgroups.
#
#   down.sh               KEEP_LOGS=DIR  copies the logs there first
#
# The exit code is 0 only when nothing of it is left.
set -uo pipefail
. "$(dirname "$0")/cluster.sh"
[ -d "$RUN" ] || { echo "no cluster is up"; exit 0; }
[ -z "${KEEP_LOGS:-}" ] || { mkdir -p "$KEEP_LOGS" && cp -r "$RUN/log/." "$KEEP_LOGS/"; }

stop dns
stop kubelet
if [ -e "$RUN/containerd.pid" ]; then
	for task in $(ctr -n k8s.io task ls -q 2>/dev/null); do ctr -n k8s.io task kill -s SIGKILL "$task" 2>/dev/null; done
	# a task that has ended can be deleted, and its shim goes with it
	ended() { ! ctr -n k8s.io task ls 2>/dev/null | grep RUNNING >/dev/null; }
	within 20 ended
	for container in $(ctr -n k8s.io containers ls -q 2>/dev/null); do
		ctr -n k8s.io task delete -f "$container" >/dev/null 2>&1
		ctr -n k8s.io containers delete "$container" >/dev/null 2>&1
	done
fi
stop kube-proxy
[ ! -e "$RUN/proxy.yaml" ] || kube-proxy --cleanup >/dev/null 2>&1
# The kubelet leaves chains behind, the network plugins rules of pods that were killed.
for table in filter nat mangle; do
	for chains in KUBE- CNI-; do
		iptables -t $table -S 2>/dev/null | grep -E -e "^-A .* -j $chains" | sed 's/^-A/-D/' |
			while read -r rule; do eval "iptables -t $table $rule"; done
		for act in -F -X; do
			for chain in $(iptables -t $table -S 2>/dev/null | sed -n "s/^-N \($chains.*\)/\1/p"); do iptables -t $table $act "$chain"; done
		done
	done
done
[ ! -e "$RUN/ip_forward" ] || cat "$RUN/ip_forward" >/proc/sys/net/ipv4/ip_forward
stop containerd
# shims of this containerd only: they name its socket
for process in /proc/[0-9]*; do
	{ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep "containerd-shim.*$CONTAINERD_ADDRESS" >/dev/null && kill "${process#/proc/}" 2>/dev/null
done
for name in kube-scheduler kube-controller-manager kube-apiserver etcd; do stop $name; done

mounts() { awk '{print $2}' /proc/self/mounts | grep -E "^($RUN|$SOCKETS)/" | sort -r; }
mounts | while read -r mount; do umount -l "$mount"; done
namespaces() { comm -13 <(sort "$RUN/netns" 2>/dev/null) <(ls /run/netns 2>/dev/null | sort) | grep '^cni-'; }
namespaces | while read -r namespace; do
	umount -l "/run/netns/$namespace" 2>/dev/null
	rm -f "/run/netns/$namespace"
done
ip link del tandem-e2e 2>/dev/null
for group in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
	[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
done

left=$({
	mounts | sed 's/^/mount /'
	namespaces | sed 's/^/network namespace /'
	for file in "$RUN"/*.pid; do
		[ -e "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null && echo "process $(basename "$file" .pid)"
	done
	ip -o link show tandem-e2e 2>/dev/null | sed 's/^/link /'
	for table in filter nat mangle; do iptables -t $table -S 2>/dev/null | grep -E 'KUBE-|CNI-' | sed 's/^/rule /'; done
	ls -d /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods 2>/dev/null | sed 's/^/cgroup /'
})
rm -rf "$SOCKETS"
[ -n "$(mounts)" ] || rm -rf "$RUN"
if [ -n "$left" ]; then
	echo "left behind:" >&2
	echo "$left" >&2
	exit 1
fi
