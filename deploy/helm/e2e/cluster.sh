# shellcheck shell=bash
# Sourced by up.sh, down.sh and run.sh: where a cluster's programs and its state are.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
KUBE=${KUBE:-$top/bin/kube}     # kube-apiserver and the rest, by tools/kube/build
RUN=${RUN:-/var/tmp/tandem-e2e} # what a running cluster keeps
SOCKETS=/run/tandem-e2e         # containerd's, whose paths must be short
PORT=${PORT:-16443}
NODE=node-1
PKI=$RUN/pki
PATH=$KUBE:$top/bin/tools:/usr/sbin:/sbin:$PATH
export KUBECONFIG=$RUN/admin.kubeconfig CONTAINERD_ADDRESS=$SOCKETS/containerd.sock

# start NAME COMMAND...: in the background in a session of its own, with a log and a pid file
start() {
	local name=$1
	shift
	setsid "$@" </dev/null >"$RUN/log/$name.log" 2>&1 &
	echo $! >"$RUN/$name.pid"
}

# stop NAME: by the pid that start has kept
stop() {
	local pid turn
	pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || return 0
	for ((turn = 0; turn < 150; turn++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "$1 needed SIGKILL" >&2
	kill -KILL "$pid"
}

# within SECONDS COMMAND...: polls until it succeeds
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.3
	done
}

# address of this machine, which pods can reach
address() { ip -4 -o addr show scope global | awk 'NR == 1 {sub(/\/.*/, "", $4); print $4}'; }
