#!/bin/bash
# Writes tandem@.service and tandem@.socket, the form for several applications on
# one host, from tandem.service and tandem.socket. verify.sh fails when they are
# not in step.
#
#   instances.sh [DIRECTORY]    where to write; default: beside the others
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here}
for kind in service socket; do
	sed -E -f "$here/instance.sed" "$here/tandem.$kind" >"$to/tandem@.$kind"
done
