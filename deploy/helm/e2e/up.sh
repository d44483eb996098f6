#!/bin/bash
# Starts a Kubernetes cluster on this machine, without a registry or a release
# download: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and one real
# node: containerd, kubelet, kube-proxy and a DNS server. down.sh ends it all.
#
#   up.sh            then: export KUBECONFIG=… as it prints
#   IMAGES="a.tar"   OCI archives to import besides
#   RUN=DIR          the cluster's state   (default /var/tmp/tandem-e2e)
#
# Needs root: the node uses the host's network. It adds a bridge, tandem-e2e, iptables rules and
# ip_forward=1, which down.sh takes away again.
set -euo pipefail
. "$(dirname "$0")/cluster.sh"
t0=$SECONDS
say() { printf '%4ds  %s\n' $((SECONDS - t0)) "$*"; }
die() { echo "up.sh: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root"
for tool in openssl:openssl etcd:etcd-server containerd:containerd ctr:containerd runc:runc iptables:iptables conntrack:conntrack; do
	command -v "${tool%%:*}" >/dev/null || die "no ${tool%%:*} (Debian: apt-get install ${tool##*:})"
done
for tool in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl dns; do
	[ -x "$KUBE/$tool" ] || die "no $KUBE/$tool; tools/kube/build makes it"
done
plugins=${CNI_BIN:-/usr/lib/cni}
[ -x "$plugins/bridge" ] || die "no network plugins in $plugins (Debian: apt-get install containernetworking-plugins)"
[ ! -e "$RUN" ] || die "$RUN is there: a cluster is up, or was not ended; run down.sh"
! iptables-save 2>/dev/null | grep -E '^:(KUBE|CNI)-' >/dev/null || die "this host has the iptables rules of another cluster or container engine, which down.sh would take away"
[ -s "${PAUSE:-}" ] || die "PAUSE=FILE is wanted, the image of deploy/helm/e2e/pause (run.sh makes it)"

umask 077
mkdir -p "$PKI" "$RUN/log" "$RUN/cni" "$RUN/kubelet" "$SOCKETS"
chmod 711 "$RUN" # PostgreSQL, another user, goes through it
ls /run/netns >"$RUN/netns" 2>/dev/null || true
ip=$(address)
ip=${ip:-127.0.0.1}

# ready SECONDS NAME COMMAND...: polls until it succeeds; says why when NAME ends before
ready() {
	local end=$((SECONDS + $1)) name=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ] || ! kill -0 "$(cat "$RUN/$name.pid")" 2>/dev/null; then
			tail -n 5 "$RUN/log/$name.log" >&2
			die "$name is not ready"
		fi
		sleep 0.3
	done
	say "$name is ready"
}

# certificate NAME CN O [SAN]
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$PKI/$1.key" \
		-subj "/O=$3/CN=$2" -out "$PKI/$1.csr" 2>/dev/null
	openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 2 \
		-extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${4:+subjectAltName=$4}") \
		-out "$PKI/$1.crt" 2>/dev/null
}
# kubeconfig NAME: for the certificate of that name
kubeconfig() {
	local file=$RUN/$1.kubeconfig
	kubectl config --kubeconfig="$file" set-cluster e2e --server="https://127.0.0.1:$PORT" --certificate-authority="$PKI/ca.crt" --embed-certs
	kubectl config --kubeconfig="$file" set-credentials "$1" --client-certificate="$PKI/$1.crt" --client-key="$PKI/$1.key" --embed-certs
	kubectl config --kubeconfig="$file" set-context e2e --cluster=e2e --user="$1"
	kubectl config --kubeconfig="$file" use-context e2e
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$PKI/ca.key" -out "$PKI/ca.crt" -days 2 -subj /CN=tandem-e2e 2>/dev/null
openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
certificate apiserver kube-apiserver e2e "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:$ip"
certificate admin admin system:masters
certificate controller system:kube-controller-manager e2e
certificate scheduler system:kube-scheduler e2e
certificate proxy system:kube-proxy e2e
certificate kubelet "system:node:$NODE" system:nodes "DNS:$NODE,IP:127.0.0.1,IP:$ip"
for name in admin controller scheduler proxy kubelet; do kubeconfig $name; done >/dev/null
say "certificates"
umask 022 # what the daemons make for pods is not root's alone

unsynced=--unsafe-no-fsync
etcd --help 2>&1 | grep -e $unsynced >/dev/null || unsynced=
start etcd etcd --data-dir "$RUN/etcd" --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
	--listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380 $unsynced
ready 60 etcd curl -fsS http://127.0.0.1:12379/health

start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:12379 --bind-address=127.0.0.1 --secure-port="$PORT" \
	--advertise-address="$ip" --endpoint-reconciler-type=none \
	--tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
	--service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.key" --service-account-signing-key-file="$PKI/sa.key" \
	--service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC --allow-privileged \
	--kubelet-preferred-address-types=InternalIP --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" --kubelet-certificate-authority="$PKI/ca.crt"
ready 240 kube-apiserver kubectl get --raw /readyz

start kube-controller-manager kube-controller-manager --kubeconfig="$RUN/controller.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false \
	--service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" --use-service-account-credentials \
	--cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
	--allocate-node-cidrs --cluster-cidr=10.244.0.0/16
start kube-scheduler kube-scheduler --kubeconfig="$RUN/scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false
ready 120 kube-controller-manager kubectl -n default get serviceaccount default
ready 120 kube-scheduler curl -fsSk https://127.0.0.1:10259/healthz

cat >"$RUN/cni/10-e2e.conflist" <<END
{"cniVersion": "0.4.0", "name": "e2e", "plugins": [
  {"type": "bridge", "bridge": "tandem-e2e", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$RUN/cni/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
# The two forms are of containerd 1 and 2. Without CAP_SYS_RESOURCE a score cannot be lowered.
if containerd --version | grep ' v\?1\.' >/dev/null; then
	version=2
	runtime='[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "tandem.local/pause:e2e"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "'$plugins'"'
else
	version=3
	runtime='[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "tandem.local/pause:e2e"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["'$plugins'"]'
fi
cat >"$RUN/containerd.toml" <<END
version = $version
root = "$RUN/containerd"
state = "$SOCKETS/state"
[grpc]
  address = "$CONTAINERD_ADDRESS"
[ttrpc]
  address = "$CONTAINERD_ADDRESS.ttrpc"
$runtime
  conf_dir = "$RUN/cni"
END
start containerd containerd -c "$RUN/containerd.toml"
ready 60 containerd ctr version
for archive in "$PAUSE" ${IMAGES:-}; do ctr -n k8s.io images import "$archive" >/dev/null; done

printf 'nameserver 127.0.0.1\n' >"$RUN/resolv.conf"
cat >"$RUN/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
containerRuntimeEndpoint: unix://$CONTAINERD_ADDRESS
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: [none]
evictionHard: {memory.available: 1Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
registerNode: true
clusterDNS: [$ip]
clusterDomain: cluster.local
resolvConf: $RUN/resolv.conf
healthzPort: 10248
syncFrequency: 10s
END
start kubelet kubelet --kubeconfig="$RUN/kubelet.kubeconfig" --config="$RUN/kubelet.yaml" --root-dir="$RUN/kubelet" \
	--node-ip="$ip" --hostname-override="$NODE" --node-labels="topology.kubernetes.io/zone=zone-1" --v=1
ready 120 kubelet curl -fsS http://127.0.0.1:10248/healthz
ready 120 kubelet kubectl wait --for=condition=Ready "node/$NODE" --timeout=2s

cat >"$RUN/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $RUN/proxy.kubeconfig}
mode: iptables
clusterCIDR: 10.244.0.0/16
hostnameOverride: $NODE
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
conntrack: {maxPerCore: 0, min: 0}
END
cat /proc/sys/net/ipv4/ip_forward >"$RUN/ip_forward"
echo 1 >/proc/sys/net/ipv4/ip_forward
start kube-proxy kube-proxy --config="$RUN/proxy.yaml"
ready 60 kube-proxy curl -fsS http://127.0.0.1:10256/healthz

cat >"$RUN/Corefile" <<END
.:53 {
  bind $ip
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $KUBECONFIG e2e
  }
}
END
start dns dns -conf "$RUN/Corefile"
ready 60 dns bash -c "exec 3<>/dev/tcp/$ip/53"

say "the cluster is up: $(kubectl version -o json | sed -n '/serverVersion/,$s/.*"gitVersion": "\(.*\)",/\1/p')"
echo "export KUBECONFIG=$KUBECONFIG PATH=$KUBE:\$PATH"
