#!/bin/sh
# How many lines of each format's source the seeds and corpora reach: replays them in an instrumented build. Texts for
# people (identifiers in hexadecimal, error messages) are no part of a format and left out.
# Wants llvm-profdata and llvm-cov of rustc's LLVM (Debian: llvm-22); LLVM_SUFFIX names another, "" for none.
# Usage: fuzz/coverage.sh [--missed: also print the lines that were not reached]
set -eu
cd "$(dirname "$0")/.."
suffix=${LLVM_SUFFIX--22}
out=fuzz/target/coverage
mkdir -p "$out"
rm -f "$out"/*.profraw
export CARGO_TARGET_DIR="$out" RUSTFLAGS=-Cinstrument-coverage
export LLVM_PROFILE_FILE="$PWD/$out/%p-%m.profraw"
binary=$(cargo test -q -p rumormill-wire --test corpus --no-run --message-format=json |
    sed -n 's/.*"name":"corpus".*"executable":"\([^"]*\)".*/\1/p')
rm -f "$out"/*.profraw
"$binary" replay >/dev/null
"llvm-profdata$suffix" merge -sparse -o "$out/replay.profdata" "$out"/*.profraw
set -- "${1-}" "$binary" -instr-profile="$out/replay.profdata" -ignore-filename-regex='(registry|rustc|/tests/|/fuzz|/ids.rs|/error.rs|/fault.rs)'
missed=$1
shift
"llvm-cov$suffix" report "$@" | awk '
    /\.rs / || /^TOTAL/ { printf "%-32s %5d lines %4d missed %7s\n", $1, $8, $9, $10 }'
if [ "$missed" = --missed ]; then
    "llvm-cov$suffix" show "$@" -format=text -use-color=0 | grep -E '^/|^ *[0-9]+\| *0\|'
fi
