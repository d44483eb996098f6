#!/bin/bash
# Checks the Helm chart without a cluster: lint, every ci/*-values.yaml rendered and
# held to Kubernetes' own schemas (strict) and to kube-score, values that must be
# refused, the unit tests in tests/, and a README that is in step.
#
#   deploy/helm/verify.sh [--write-readme]
#
# One line per check; the exit code is 0 only when all of them passed. The tools
# are built by tools/deploy/build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
chart=$here/tandem
"$here/../../tools/deploy/build"
tools=$(cd "$here/../../bin/tools" && pwd)
PATH=$tools:$PATH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HELM_CACHE_HOME=$scratch/cache HELM_CONFIG_HOME=$scratch/config HELM_DATA_HOME=$scratch/data
export KUBECONFIG=/dev/null

. "$here/../../scripts/checks"

render() { helm template rel "$chart" --namespace there --api-versions monitoring.coreos.com/v1 "$@"; }
schemas() {
	render "$@" | kubeconform -strict -schema-location "$tools/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" -
}
# What is not asked of it: a CPU limit throttles; the pull policy and the ephemeral
# storage are the operator's; the same URL serves two probes with different patience;
# policy, budget and number of replicas depend on the values; zones are spread over
# by topologySpreadConstraints; a deployment with an autoscaler has the replicas that run.
score() {
	render --skip-tests "$@" | kube-score score --output-format ci --ignore-test \
		container-image-pull-policy,container-ephemeral-storage-request-and-limit,pod-probes-identical,pod-networkpolicy,deployment-has-poddisruptionbudget,deployment-has-host-podantiaffinity,deployment-replicas,deployment-targeted-by-hpa-does-not-have-replicas-configured,service-type,container-resources -
}
# refused TEXT ARGS...: rendering fails, and for that reason
refused() {
	local text=$1 out
	shift
	if out=$(render "$@" 2>&1); then
		echo "it was rendered"
		return 1
	fi
	grep -F -e "$text" <<<"$out" >/dev/null || { echo "$out" && return 1; }
}
same_twice() { diff <(render) <(render); }
package() { helm package "$chart" --destination "$scratch" && tar tzf "$scratch"/tandem-*.tgz | grep templates/tests/; }
readme() { diff -u "$chart/README.md" <(helm-docs --chart-search-root "$chart" --dry-run --log-level error); }

if [ "${1:-}" = --write-readme ]; then
	helm-docs --chart-search-root "$chart" --log-level error
	exit
fi

for values in "" "$chart"/ci/*-values.yaml; do
	with=(${values:+--values "$values"})
	name=${values:+ with $(basename "$values")}
	check "helm lint --strict$name" helm lint --strict --quiet "$chart" ${with[@]+"${with[@]}"}
	check "Kubernetes' schemas$name" schemas ${with[@]+"${with[@]}"}
	check "kube-score$name" score ${with[@]+"${with[@]}"}
done

no="additional properties"
check "refuses an unknown key" refused "$no" --set replicaCount=2
check "refuses an unknown key deep down" refused "$no" --set supervisor.worker=2
check "refuses a word for a number" refused "got string, want integer" --set replicas=many
check "refuses a word for the workers" refused "/supervisor/workers" --set supervisor.workers=many
check "refuses no workers" refused "minimum: got 0" --set supervisor.workers=0
check "refuses a service type that is none" refused "value must be one of" --set service.type=Internal
check "refuses a digest that is none" refused "does not match pattern" --set image.digest=latest
check "refuses env that contradicts another value" refused "SUPERVISOR_BIND" --set env.SUPERVISOR_BIND=:9000
check "refuses env that moves the port of the probes" refused "SUPERVISOR_ADMIN" --set env.SUPERVISOR_ADMIN=off
check "refuses a setting that the supervisor does not have" refused "SUPERVISOR_workers'" --set env.SUPERVISOR_workers=2
check "refuses the same under extraEnv" refused "/extraEnv/0/name" --set 'extraEnv[0].name=SUPERVISOR_workers'
check "refuses a variable twice" refused "extraEnv has A twice" --set 'extraEnv[0].name=A,extraEnv[1].name=A'
check "refuses several pods with a SQLite file each" refused "replicas is 2, but database.kind is sqlite" --set replicas=2
check "refuses PostgreSQL without a secret" refused "needs database.existingSecret" --set database.kind=postgresql
check "refuses a name with a dot" refused "/fullnameOverride" --set fullnameOverride=a.b
check "refuses a boot timeout that the probe does not know" refused "SUPERVISOR_BOOT_TIMEOUT" --set env.SUPERVISOR_BOOT_TIMEOUT=90s
check "refuses a password among the settings" refused "database.existingSecret" --set env.APP_DATABASE_URL=postgres://u:p@h/d
check "refuses a resource that is none" refused "/resources" --set resources.limit.memory=1Gi
check "refuses a quantity that is none" refused "/resources/limits/memory" --set resources.limits.memory=lots
check "refuses a tag in the image's name" refused "/image/repository" --set image.repository=here/tandem:v1
check "refuses labels by which the servers are found" refused "app.kubernetes.io/component" --set 'podLabels.app\.kubernetes\.io/component=web'
check "refuses to be without a part of its values" refused "missing property 'autoscaling'" --set autoscaling=null
check "refuses an autoscaler upside down" refused "is more than maxReplicas" \
	--set database.kind=none,autoscaling.enabled=true,autoscaling.minReplicas=9
check "refuses an ingress without hosts" refused "ingress.hosts" --set ingress.enabled=true
check "refuses a node port on a cluster address" refused "needs service.type" --set service.nodePort=30000

check "renders the same twice" same_twice
check "the package has the test hook" package
check "unit tests" helm-unittest --strict "$chart"
check "files/alerts.yaml is deploy/monitoring's" diff -u "$here/../monitoring/alerts.yaml" "$chart/files/alerts.yaml"
check "README.md is in step (deploy/helm/verify.sh --write-readme)" readme

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
