#!/bin/bash
# Checks the container image without a container engine: the same bytes from a copy of the
# source elsewhere, the files and nothing else, static programs, time zones and certificates,
# no root; and that the Dockerfile's steps lay out the same files with the same owners
# and modes (its own words are held to the archive's by go test ./deploy/image).
#
#   deploy/image/verify.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

. "$top/scripts/checks"

make -s -C "$top" image VERSION=v0 IMAGE="$scratch/one.tar" >/dev/null
# What git knows, as it lies here, in another directory.
mkdir "$scratch/elsewhere"
git -C "$top" ls-files -z --cached --others --exclude-standard | tar -C "$top" --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -C "$scratch/elsewhere" -xf -
make -s -C "$scratch/elsewhere" image VERSION=v0 IMAGE="$scratch/two.tar" >/dev/null
check "the same source elsewhere gives the same bytes" cmp "$scratch/one.tar" "$scratch/two.tar"

mkdir "$scratch/oci" "$scratch/layer"
tar -C "$scratch/oci" -xf "$scratch/one.tar"
blob() { # MEDIA-TYPE-END: of the one that is of this type
	local file
	for file in "$scratch"/oci/blobs/sha256/*; do
		case $1 in
		layer) gzip -t "$file" 2>/dev/null && echo "$file" ;;
		config) head -c 1 "$file" | grep -F '{' >/dev/null 2>&1 && grep -F '"rootfs"' "$file" >/dev/null && echo "$file" ;;
		esac
	done
	true
}
tar -C "$scratch/layer" -xzpf "$(blob layer)"

# The Dockerfile's RUN line, by the shell that it would run under, in the copy.
steps() {
	sed -n '/^RUN make build/,/[^\\]$/p' "$top/Dockerfile" | sed '1s/^RUN //' >"$scratch/steps"
	grep -F -e '-root /image' "$scratch/steps" >/dev/null || { echo "the Dockerfile does not lay out /image" && return 1; }
	sed -i "s,-root /image,-root $scratch/root," "$scratch/steps"
	(cd "$scratch/elsewhere" && VERSION=v0 sh -eu "$scratch/steps")
}
check "the Dockerfile's build step runs" steps
if [ "$(id -u)" = 0 ]; then
	check "it lays out the files of the archive, with owners and modes" \
		diff <(gzip -dc "$(blob layer)" | tar --numeric-owner -tvf - | awk '{print $1, $2, ($1 ~ /^d/ ? 0 : $3), $6}' | sort -k 4) \
		<(tar -C "$scratch/root" -cf - . | tar --numeric-owner -tvf - | awk '{print $1, $2, ($1 ~ /^d/ ? 0 : $3), substr($6, 3)}' | awk 'NF == 4' | sort -k 4)
fi
check "with the same bytes in them" diff -r "$scratch/layer" "$scratch/root"

files=$(cd "$scratch/layer" && find . -type f | sort | tr '\n' ' ')
expected='./etc/group ./etc/passwd ./etc/ssl/certs/ca-certificates.crt ./usr/bin/app ./usr/bin/supervisor '
check "five files and no more" test "$files" = "$expected"
static() { ! readelf -lW "$1" | grep -E 'INTERP|DYNAMIC'; }
setuid() { [ -z "$(find "$scratch/layer" -perm /6000)" ]; }
zones() { grep -F -a 'Pacific/Chatham' "$1" >/dev/null; }
for program in supervisor app; do
	check "$program is static" static "$scratch/layer/usr/bin/$program"
	check "$program brings time zones" zones "$scratch/layer/usr/bin/$program"
done
check "nothing is setuid" setuid
check "certificates" grep -F -e '-----BEGIN CERTIFICATE-----' "$scratch/layer/etc/ssl/certs/ca-certificates.crt"
check "the user is not root, by number" grep -F '"User":"65532:65532"' "$(blob config)"

echo "$passed passed, $failed failed; $(stat -c %s "$scratch/one.tar" | awk '{printf "%.1f MB", $1 / 1e6}')"
[ "$failed" = 0 ]
