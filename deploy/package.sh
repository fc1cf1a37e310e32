#!/usr/bin/env bash
# Puts what a package ships into a directory: `rumormill`, links of its other names, and beside them its debug information.
# Needs objcopy, which comes with the linker (Debian: binutils).
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: deploy/package.sh DIR" >&2
    exit 2
fi
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
cargo build --profile dist --locked --bin rumormill
mkdir -p "$out"
built=${CARGO_TARGET_DIR:-target}/dist/rumormill
objcopy --only-keep-debug --compress-debug-sections "$built" "$out/rumormill.debug"
objcopy --strip-debug --add-gnu-debuglink="$out/rumormill.debug" "$built" "$out/rumormill"
for name in rumormill-node rumormill-proxy process stopall; do ln -sf rumormill "$out/$name"; done
ls -l "$out"
