#!/bin/sh
# How many lines of the formats (wire) and of the protocol (gossip) the seeds and corpora reach: replays them in an
# instrumented build. Fails when a crate falls below its floor. Texts for people (identifiers in hexadecimal, error
# messages), settings and counters are left out.
# Wants llvm-profdata and llvm-cov of rustc's LLVM (Debian: llvm-22); LLVM_SUFFIX names another, "" for none.
# Usage: fuzz/coverage.sh [--missed: also print the lines that were not reached]
set -eu
cd "$(dirname "$0")/.."
suffix=${LLVM_SUFFIX--22}
missed=${1-}
out=$PWD/fuzz/target/coverage
mkdir -p "$out"
export CARGO_TARGET_DIR="$out" RUSTFLAGS=-Cinstrument-coverage

# Crate, the floor in percent of its lines, files that are left out.
covered() {
    crate=$1 floor=$2 left_out=$3
    # Build scripts are instrumented too.
    export LLVM_PROFILE_FILE="$out/build.profraw"
    binary=$(cargo test -q -p "rumormill-$crate" --test corpus --no-run --message-format=json |
        sed -n 's/.*"name":"corpus".*"executable":"\([^"]*\)".*/\1/p')
    [ -x "$binary" ] || { echo "$crate: its replay was not built"; exit 1; }
    LLVM_PROFILE_FILE="$out/$crate.profraw" "$binary" replay >/dev/null
    "llvm-profdata$suffix" merge -sparse -o "$out/$crate.profdata" "$out/$crate.profraw"
    set -- "$binary" -instr-profile="$out/$crate.profdata" \
        -ignore-filename-regex="(registry|rustc|/tests/|/fuzz|$left_out)"
    "llvm-cov$suffix" report "$@" | awk -v crate="$crate" -v floor="$floor" '
        /\.rs / { printf "%-32s %5d lines %4d missed %7s\n", $1, $8, $9, $10 }
        /^TOTAL/ {
            printf "%s: %d lines, %d missed, %s; at least %d %%\n", crate, $8, $9, $10, floor
            below = $8 == 0 || 100 * ($8 - $9) < floor * $8
        }
        END { exit below != 0 }' || {
        echo "$crate: the corpora reach less than $floor % of the lines"
        exit 1
    }
    [ "$missed" != --missed ] ||
        "llvm-cov$suffix" show "$@" -format=text -use-color=0 | grep -E '^/|^ *[0-9]+\| *0\|' || true
}

covered wire 95 "/ids.rs|/error.rs|/fault.rs|/foreign"
covered gossip "${GOSSIP_FLOOR:-90}" "crates/wire|limits/src|/config.rs|/stats.rs|/measure.rs"
