#!/bin/sh
# Runs every fuzz target in turn with its dictionary, seeds and corpus; fails on the first finding.
# Usage: fuzz/run.sh [seconds for each target, default 60] [targets, default all]
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -v '^rumormill-fuzz$')
# cargo-fuzz wants compiler switches that stable only grants so.
export RUSTC_BOOTSTRAP=1
for target in "$@"; do
    # What is new goes where git does not look; fuzz/minimise.sh brings it into the corpus.
    mkdir -p "target/found/$target"
    # The engine's input is a list of operations: it has no words.
    dict="dict/$target.dict"
    [ -f "$dict" ] && dict="-dict=$dict" || dict=""
    cargo fuzz run "$target" "target/found/$target" "corpus/$target" "seeds/$target" -- \
        $dict -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
    echo "$target: no finding in $seconds s"
done
