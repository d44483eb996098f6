#!/bin/bash
# Runs the chart on a real cluster (up.sh), in a namespace that enforces the restricted Pod
# Security Standard, with PostgreSQL beside it, and a strict client that accounts for every
# request: install, helm test, the commands of NOTES.txt as printed, upgrade, rollback,
# scaling, eviction of a pod, drain of the node, a bad image, bad settings, a failing
# migration, uninstall. One line per check; the exit code is 0 only when all passed.
#
#   run.sh             brings the cluster up, checks, and takes it down whatever happens
#   KEEP=1 run.sh      leaves it up when a check has failed: see up.sh; down.sh ends it
#   RECORD=1 run.sh    writes the lines of a run that passed into docs/deploy.md, without paths,
#                      names and addresses of this machine
#
# Needs root, and what up.sh needs; tools/deploy/build and tools/kube/build have run.
#
# No "| grep -q" below: it ends the pipe early, and under pipefail the writer's SIGPIPE
# then fails the check at random.
set -uo pipefail
. "$(dirname "$0")/cluster.sh"
chart=$top/deploy/helm/tandem
space=e2e name=web
scratch=$(mktemp -d /var/tmp/tandem-e2e-work.XXXXXX)
chmod 711 "$scratch"
export HELM_CACHE_HOME=$scratch/cache HELM_CONFIG_HOME=$scratch/config HELM_DATA_HOME=$scratch/data
passed=0 failed=0 hammer='' postgres=''

die() { echo "run.sh: $*" >&2; exit 2; }

# --- what is run, and its end ---

finish() {
	local code=$?
	trap - EXIT
	[ -z "$hammer" ] || kill "$hammer" 2>/dev/null
	if [ -n "${KEEP:-}" ] && [ "$failed" != 0 ]; then
		echo "the cluster is left up: export KUBECONFIG=$KUBECONFIG; deploy/helm/e2e/down.sh ends it"
		echo "PostgreSQL, the images and the logs are in $scratch"
		exit 1
	fi
	[ -z "$postgres" ] || postgres_stop
	if [ -d "$RUN" ]; then check "nothing of the cluster is left on the machine" "$here/down.sh"; fi
	[ -z "${counted:-}" ] || say "$passed passed, $failed failed in $SECONDS s"
	[ -z "${counted:-}" ] || [ -z "${RECORD:-}" ] || [ "$failed" != 0 ] || record
	rm -rf "$scratch"
	[ -n "${counted:-}" ] || { echo "ended early" && exit $((code ? code : 1)); }
	[ "$failed" = 0 ]
	exit
}
# record puts the lines between the two marks in docs/deploy.md
record() {
	awk -v lines="$scratch/lines" '
		/<!-- e2e-k8s -->/ { print; print "\n```text"; while ((getline line < lines) > 0) print line; print "```\n"; skip = 1; next }
		/<!-- \/e2e-k8s -->/ { skip = 0 }
		!skip' "$top/docs/deploy.md" >"$scratch/deploy.md" && cat "$scratch/deploy.md" >"$top/docs/deploy.md"
}
trap finish EXIT
trap 'exit 130' INT TERM

# edit takes out what is this machine's: paths, addresses, names
edit() { sed -e "s,$scratch,SCRATCH,g; s,$top/,,g; s,$RUN,RUN,g; s,$(address | sed 's/\./\\./g'),NODE-ADDRESS,g; s,\b$(hostname)\b,HOST,g"; }
say() {
	echo "$*"
	edit <<<"$*" >>"$scratch/lines"
}
check() { # NAME COMMAND...
	local what=$1 out began=$SECONDS
	shift
	if out=$("$@" 2>&1); then
		passed=$((passed + 1))
		say "$(printf 'ok    %-78s %4d s' "$what" $((SECONDS - began)))"
	else
		failed=$((failed + 1))
		say "$(printf 'FAIL  %-78s %4d s' "$what" $((SECONDS - began)))"
		say "$(tail -n 15 <<<"$out" | sed 's/^/      /')"
	fi
}

k() { kubectl -n $space "$@"; }
release() { helm "$1" "${@:2}" -n $space; }
# refused TEXT COMMAND...: it fails, and for that reason
refused() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "it was done"
		return 1
	fi
	grep -F -e "$text" <<<"$out" >/dev/null || { echo "$out" && return 1; }
}
servers() { # the pods that are to stay, by name
	k get pods -l "app.kubernetes.io/instance=$1,app.kubernetes.io/component=server" \
		-o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}' | sort
}
ready_servers() {
	k get pods -l "app.kubernetes.io/instance=$1,app.kubernetes.io/component=server" \
		-o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{$n := .metadata.name}}{{range .status.conditions}}{{if and (eq .type "Ready") (eq .status "True")}}{{$n}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}' | sort
}
service() { k get service "$1-tandem" -o jsonpath='{.spec.clusterIP}:{.spec.ports[0].port}'; }

# --- PostgreSQL, on the host, where pods reach it ---

postgres_start() {
	local bin password
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
	[ -x "$bin/initdb" ] || die "no PostgreSQL (Debian: apt-get install postgresql)"
	postgres=$bin
	mkdir "$scratch/postgres"
	chown postgres "$scratch/postgres"
	password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	runuser -u postgres -- "$bin/initdb" -D "$scratch/postgres/data" -A trust >/dev/null || return 1
	printf 'local all all trust\nhost all all 10.244.0.0/16 scram-sha-256\n' >"$scratch/postgres/data/pg_hba.conf"
	runuser -u postgres -- "$bin/pg_ctl" -D "$scratch/postgres/data" -l "$scratch/postgres/log" -w start \
		-o "-c listen_addresses=$(address) -c port=15432 -c unix_socket_directories=$scratch/postgres -c fsync=off" >/dev/null &&
		sql "CREATE ROLE app LOGIN PASSWORD '$password'" postgres && sql "CREATE DATABASE app OWNER app" postgres || return 1
	url=postgres://app:$password@$(address):15432/app
}
postgres_stop() { runuser -u postgres -- "$postgres/pg_ctl" -D "$scratch/postgres/data" -m fast -w stop >/dev/null; }
sql() { runuser -u postgres -- "$postgres/psql" -h "$scratch/postgres" -p 15432 -qAt -v ON_ERROR_STOP=1 -c "$1" "${2:-app}"; }

# --- the load ---

load() {
	"$scratch/hammer" -addr "$(service $name)" -clients 2 -limit 30m >"$scratch/hammer.log" 2>&1 &
	hammer=$!
}
# nothing_lost: ends the load and reads its last line. (A check runs in a subshell, which
# cannot wait for the load.)
nothing_lost() {
	kill "$hammer"
	within 90 grep -E '^sent=' "$scratch/hammer.log" || { cat "$scratch/hammer.log" && return 1; }
	grep -xE 'sent=[1-9][0-9]* refused=0 bad=0' "$scratch/hammer.log" || { cat "$scratch/hammer.log" && return 1; }
}

# --- the checks ---

all_replaced() { # BEFORE: none of these pods is left
	local now
	now=$(servers $name)
	[ -n "$1" ] && [ -n "$now" ] && ! comm -12 <(echo "$1") <(echo "$now") | grep . || { echo "before: $1; now: $now" && return 1; }
}
same() { # BEFORE: these very pods are ready
	[ -n "$1" ] && diff <(echo "$1") <(ready_servers $name)
}
version_is() { # VERSION: of every supervisor that serves
	local pod out
	for pod in $(servers $name); do
		out=$(k exec "$pod" -c tandem -- supervisor version) || return 1
		grep -w -e "$1" <<<"$out" >/dev/null || { echo "$pod: $out" && return 1; }
	done
}
workers_are() { # RELEASE N: ready workers of its first pod
	local out
	out=$(k exec "deployment/$1-tandem" -c tandem -- supervisor status --json) || return 1
	[ "$(grep -o '"state":"ready"' <<<"${out//[[:space:]]/}" | wc -l)" = "$2" ] || { echo "$out" && return 1; }
}
# memory_is BYTES: GOMEMLIMIT of each worker in the cluster, as the kernel has it
memory_is() {
	local container process found=0 limit
	for container in $(ctr -n k8s.io task ls | awk '$3 == "RUNNING" {print $2}'); do
		for process in $(pgrep -P "$container"); do
			[ "$(tr '\0' '\n' <"/proc/$process/cmdline" | head -n 1)" = /usr/bin/app ] || continue
			limit=$(tr '\0' '\n' <"/proc/$process/environ" | sed -n 's/^GOMEMLIMIT=//p')
			[ "$limit" = "$1B" ] || { echo "GOMEMLIMIT=$limit, want $1B" && return 1; }
			found=$((found + 1))
		done
	done
	[ $found -gt 0 ] || { echo "no worker found" && return 1; }
}
# notes: the commands that helm printed, as printed
notes() {
	local command out forward
	helm get notes $name -n $space >"$scratch/notes"
	while read -r command; do
		echo "+ $command"
		case $command in
		*port-forward*)
			$command >"$scratch/forward" 2>&1 &
			forward=$!
			within 20 curl -fsS http://127.0.0.1:8000/
			out=$?
			kill $forward
			wait $forward 2>/dev/null
			[ $out = 0 ] || { cat "$scratch/forward" && return 1; }
			;;
		*" logs -f "*)
			timeout 5 $command >"$scratch/followed"
			[ -s "$scratch/followed" ] || { echo "it printed nothing" && return 1; }
			;;
		*) $command || return 1 ;;
		esac
	done < <(grep -E '^  (kubectl|helm) ' "$scratch/notes")
	[ "$(grep -cE '^  (kubectl|helm) ' "$scratch/notes")" = 6 ]
}
dry_run() { # VALUES: what the API server itself says, unknown fields and admission included
	helm template dry "$chart" -n $space --api-versions "$operator" --values "$1" |
		kubectl -n $space apply --dry-run=server --validate=strict -f - 2>&1
}
shared() { # what one pod has written, every pod reads
	local pod title=e2e-$RANDOM
	curl -fsS -o /dev/null "http://$(service $name)/posts/" --json '{"title":"'$title'","tag":"e2e"}' || return 1
	[ "$(sql "SELECT count(*) FROM posts WHERE title = '$title'")" = 1 ] || return 1
	for pod in $(k get pods -l "app.kubernetes.io/instance=$name,app.kubernetes.io/component=server" -o jsonpath='{.items[*].status.podIP}'); do
		curl -fsS "http://$pod:8000/posts/" | grep -F $title >/dev/null || { echo "$pod does not have it" && return 1; }
	done
}
migrated_once() { # every migration is in the table once, and the job has gone
	sql "SELECT version_id, count(*) FROM goose_db_version WHERE version_id > 0 GROUP BY 1" >"$scratch/migrations"
	cat "$scratch/migrations"
	[ -s "$scratch/migrations" ] && ! grep -v '|1$' "$scratch/migrations" && left=$(k get jobs -o name) && [ -z "$left" ]
}
evict() { # POD
	k create --raw "/api/v1/namespaces/$space/pods/$1/eviction" -f - <<<'{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "'"$1"'", "namespace": "'$space'"}}'
}
replaced() { # POD N: it has gone, and N are ready
	! servers $name | grep -x -e "$1" && [ "$(ready_servers $name | wc -l)" = "$2" ]
}
one_evicted() { # of those that serve: a rollout that has stopped has a pod that does not
	local pod
	pod=$(ready_servers $name | head -n 1)
	evict "$pod" && within 120 replaced "$pod" 2
}
# drained: with one node there is nowhere to go, so the budget holds the second pod
# until the node is given back and the first one's replacement is ready
drained() {
	local before drain
	before=$(servers $name)
	kubectl drain $NODE --delete-emptydir-data --ignore-daemonsets --timeout=180s >"$scratch/drain" 2>&1 &
	drain=$!
	within 60 grep -F "disruption budget" "$scratch/drain" || { cat "$scratch/drain" && return 1; }
	[ "$(comm -12 <(echo "$before") <(ready_servers $name) | wc -l)" = 1 ] || { ready_servers $name && return 1; }
	kubectl uncordon $NODE >/dev/null
	wait $drain || { cat "$scratch/drain" && return 1; }
	k rollout status "deployment/$name-tandem" --timeout=120s && all_replaced "$before"
}
rolled_to() { # N
	k scale "deployment/$name-tandem" --replicas="$1" && within 120 eval '[ "$(ready_servers $name | wc -l)" = '"$1"' ]'
}
fails() { # the upgrade does not come to its end
	! release upgrade $name "$chart" "${values[@]}" "$@" --wait --timeout 60s
}
check_names() { # TEXT: the log of the newest pod's check
	local pod
	pod=$(k get pods -l "app.kubernetes.io/instance=$name,app.kubernetes.io/component=server" --sort-by=.metadata.creationTimestamp -o name | tail -n 1)
	k logs "$pod" -c check | grep -F -e "$1"
}
gone() { # of the chart's objects and of helm's record of the release nothing is left
	local left
	left=$(k get "all,configmaps,pdb,hpa,networkpolicies,serviceaccounts,secrets,ingresses$monitors" -l "app.kubernetes.io/instance=$1" -o name &&
		k get secrets -l "owner=helm,name=$1" -o name) || return 1
	[ -z "$left" ] || { echo "$left" && return 1; }
}

# --- preparations ---

[ "$(id -u)" = 0 ] || die "needs root"
[ -x "$top/bin/tools/helm" ] || die "no bin/tools/helm; tools/deploy/build makes it"
[ ! -e "$RUN" ] || die "$RUN is there: end that cluster with down.sh"
[ -n "$(address)" ] || die "this machine has no address that pods could reach"
build() { # VERSION: both programs, and their image
	mkdir -p "$scratch/$1"
	CGO_ENABLED=0 go build -C "$top" -trimpath -buildvcs=false \
		-ldflags "-X github.com/tandem-go/tandem/internal/cli.version=$1 -X main.version=$1" -o "$scratch/$1/" ./cmd/supervisor ./cmd/app &&
		go run -C "$top" ./deploy/image -version "$1" -name tandem.local/tandem -o "$scratch/$1.tar" "$scratch/$1/supervisor" "$scratch/$1/app" >/dev/null
}
build e2e-1 && build e2e-2 || die "the images could not be built"
CGO_ENABLED=0 go build -C "$top" -trimpath -o "$scratch/" ./deploy/hammer ./deploy/helm/e2e/pause &&
	go run -C "$top" ./deploy/image -version e2e -name tandem.local/pause -o "$scratch/pause.tar" "$scratch/pause" >/dev/null || die "the tools could not be built"

say "$(date -u +%F), $(nproc) CPUs, Linux $(uname -r | cut -d. -f1-2), $(containerd --version | awk '{print $1, $3}'), $(etcd --version | sed -n 's/: */ /; 1p'), helm $(helm version --template '{{.Version}}'), $(kubectl version --client | head -n 1 | sed 's/.*: /Kubernetes /')"
check "the cluster comes up" env PAUSE="$scratch/pause.tar" IMAGES="$scratch/e2e-1.tar $scratch/e2e-2.tar" "$here/up.sh"
[ "$failed" = 0 ] || exit 1
postgres_start || die "PostgreSQL did not start"
kubectl create namespace $space >/dev/null
kubectl label namespace $space pod-security.kubernetes.io/enforce=restricted >/dev/null
k create secret generic database --from-literal=url="$url" --from-literal=wrong="${url/app:/app:x}" >/dev/null
image=(--set image.repository=tandem.local/tandem --set image.tag=e2e-1 --set image.pullPolicy=Never)
operator=none monitors=''
if compgen -G "$top/bin/tools/crds/*.yaml" >/dev/null; then
	check "the cluster takes the Prometheus operator's definitions" kubectl create -f "$top/bin/tools/crds"
	within 30 kubectl wait --for=condition=Established crd --all --timeout=2s
	operator=monitoring.coreos.com/v1 monitors=,servicemonitors,prometheusrules
fi
for file in "$chart"/ci/*-values.yaml; do
	check "the API server takes $(basename "$file"), strictly" dry_run "$file"
done

# --- the chart's defaults: one pod with SQLite ---

small=(--set resources.requests.cpu=1100m)
check "install with the defaults, in a namespace that enforces restricted" \
	release install first "$chart" "${image[@]}" "${small[@]}" --wait --timeout 180s
check "helm test" release test first --logs --timeout 120s
check "two workers for a CPU request of 1100m" workers_are first 2
check "each worker has its part of the memory limit as GOMEMLIMIT" memory_is $((512 * 1024 * 1024 * 9 / 10 / 2))
check "uninstall leaves nothing" eval 'release uninstall first --wait --timeout 120s && within 60 gone first'

# --- two pods with PostgreSQL, under load ---

values=("${image[@]}" --set replicas=2 --set resources.requests.cpu=100m --set supervisor.workers=2 \
	--set database.kind=postgresql --set database.existingSecret=database --set database.connectionsPerPod=20)
check "install with PostgreSQL and two pods" release install $name "$chart" "${values[@]}" --wait --timeout 180s
check "the schema was migrated, each migration once, and the job is gone" migrated_once
check "helm test" release test $name --logs --timeout 120s
check "the commands of NOTES.txt, as printed" notes
check "what is posted to the service is in PostgreSQL, and every pod has it" shared
load
before=$(servers $name)
check "upgrade under load" release upgrade $name "$chart" "${values[@]}" --set image.tag=e2e-2 --wait --timeout 180s
check "every pod was replaced" all_replaced "$before"
check "the new version serves" version_is e2e-2
check "rollback under load" release rollback $name 1 --wait --timeout 180s
check "the old version serves" version_is e2e-1
check "a setting changed under load: the pods are rolled" eval 'before=$(servers $name); release upgrade $name "$chart" "${values[@]}" --set env.APP_BLOCKING_PERMITS=50 --wait --timeout 180s && all_replaced "$before"'
check "scale to 4, and back to 2" eval 'rolled_to 4 && rolled_to 2'
check "a pod is evicted under load" one_evicted
check "the node is drained under load; the budget holds the last pod" drained
check "reload inside each pod, under load" eval 'for pod in $(servers $name); do k exec $pod -c tandem -- supervisor reload --wait || exit 1; done'
check "nothing was lost" nothing_lost
hammer=''
say "      $(tail -n 1 "$scratch/hammer.log")"

# --- what goes wrong changes nothing ---

load
before=$(ready_servers $name)
check "a bad image: its migration does not start, so nothing else does" fails --set image.tag=missing
check "the old pods serve on" same "$before"
check "rollback" release rollback $name --wait --timeout 120s
check "a bad image without a migration: the rollout stops" fails --set image.tag=missing,migration.enabled=false
check "the old pods serve on" same "$before"
check "rollback" release rollback $name --wait --timeout 120s
before=$(ready_servers $name)
check "a bad setting: the new pod does not start" fails --set env.SUPERVISOR_TIMEOUT=soon
check "its check names the setting" check_names SUPERVISOR_TIMEOUT
check "the old pods serve on" same "$before"
check "an old pod is evicted meanwhile, and comes back with the old settings" one_evicted
check "rollback" release rollback $name --wait --timeout 120s
before=$(ready_servers $name)
check "a setting that is none is refused before anything changes" refused SUPERVISOR_timeout release upgrade $name "$chart" "${values[@]}" --set env.SUPERVISOR_timeout=1s
check "a value that is none is refused before anything changes" refused /replicas release upgrade $name "$chart" "${values[@]}" --set replicas=many
check "several pods with SQLite are refused before anything changes" refused database.kind release upgrade $name "$chart" "${image[@]}" --set replicas=2
check "a migration that fails stops the upgrade" fails --set image.tag=e2e-2,database.secretKey=wrong,migration.deadlineSeconds=15
check "the old pods serve on" same "$before"
check "and the next upgrade goes through" release upgrade $name "$chart" "${values[@]}" --set image.tag=e2e-2 --wait --timeout 180s
check "nothing was lost" nothing_lost
hammer=''
say "      $(tail -n 1 "$scratch/hammer.log")"

if [ $operator != none ]; then
	check "monitoring is made where the operator is" eval 'release upgrade $name "$chart" "${values[@]}" --set image.tag=e2e-2,serviceMonitor.enabled=true,prometheusRule.enabled=true --wait --timeout 180s && k get servicemonitor,prometheusrule $name-tandem'
fi
check "uninstall leaves nothing" eval 'release uninstall $name --wait --timeout 120s && within 90 gone $name'
counted=1
