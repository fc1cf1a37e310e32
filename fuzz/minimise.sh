#!/bin/sh
# Adds to each corpus what fuzz/run.sh found, and keeps what covers something the rest does not.
# Usage: fuzz/minimise.sh [targets, default all]
set -eu
cd "$(dirname "$0")"
most=300
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -v '^rumormill-fuzz$')
export RUSTC_BOOTSTRAP=1
for target in "$@"; do
    mkdir -p "corpus/$target" "target/found/$target"
    find "target/found/$target" -type f -exec mv -f -t "corpus/$target" {} +
    cargo fuzz cmin "$target" "corpus/$target"
    # Too many for the repository: how often a branch was taken no longer counts.
    if [ "$(ls "corpus/$target" | wc -l)" -gt $most ]; then
        cargo fuzz cmin "$target" "corpus/$target" -- -use_counters=0
    fi
    echo "$target: $(ls "corpus/$target" | wc -l) files, $(du -sb "corpus/$target" | cut -f1) bytes"
done
