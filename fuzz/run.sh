#!/bin/sh
# Builds every fuzz target with stable Rust, then runs them one after another, for SECONDS in all.
# Needs a C++ compiler and nothing else; the first build takes minutes. Inputs that fail are left in fuzz/artifacts/<target>/.
set -eu

seconds=${1:?usage: fuzz/run.sh SECONDS}
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz passes without a sanitizer.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
RUSTFLAGS="$RUSTFLAGS -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
RUSTFLAGS="$RUSTFLAGS -Cllvm-args=-sanitizer-coverage-pc-table"
RUSTFLAGS="$RUSTFLAGS -Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTFLAGS
export CARGO_TARGET_DIR="$PWD/target"

# A target of its own, so that build scripts and macros are not instrumented.
echo "building the fuzz targets: the first time about 6 minutes on two idle cores"
cargo build --quiet --target "$host" --bins
built="$CARGO_TARGET_DIR/$host/debug"
"$built/seed"

targets=$(cd fuzz_targets && ls -- *.rs | sed 's/\.rs$//')
count=$(echo "$targets" | wc -l)
each=$((seconds / count))
[ "$each" -ge 1 ] || each=1

failed=""
for target in $targets; do
    mkdir -p "corpus/$target" "artifacts/$target"
    log="artifacts/$target/log"
    if "$built/$target" -max_total_time="$each" -max_len=16384 -timeout=20 -rss_limit_mb=1024 \
        -artifact_prefix="artifacts/$target/" "corpus/$target" >"$log" 2>&1; then
        echo "$target: $(tail -n 1 "$log")"
    else
        tail -n 40 "$log"
        failed="$failed $target"
    fi
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
