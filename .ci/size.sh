#!/usr/bin/env bash
# The release programs are small: one file with the code, the others only become it. `--self-test`: sees that this fails.
set -euo pipefail
cd "$(dirname "$0")/.."
# The aim is 12,000,000 (docs/decisions/0002-one-program-five-names.md); until then it must not grow.
limit=${LIMIT:-17060000} others=600000
if [ "${1:-}" = --self-test ]; then
    if LIMIT=1000 "$0" >/dev/null 2>&1; then echo "a limit of 1,000 bytes was kept" >&2; exit 1; fi
    exit 0
fi
cargo build --release --locked
cd "${CARGO_TARGET_DIR:-target}/release"
over=0
for name in rumormill rumormill-node rumormill-proxy process stopall; do
    size=$(stat -Lc %s "$name")
    most=$limit
    if [ "$name" != rumormill ]; then most=$others; fi
    echo "$name: $size bytes of at most $most"
    if [ "$size" -gt "$most" ]; then over=1; fi
done
exit "$over"
