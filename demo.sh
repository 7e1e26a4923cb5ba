#!/usr/bin/env bash
# The demonstration: a live SQLite database under load, hourly snapshots, a restore that is
# proved, and a flipped bit that is found. Needs a Rust toolchain; installs a C compiler if none.
#
# usage: demo.sh [FOLDER]        default: a new temporary folder
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v cc >/dev/null; then
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -yq --no-install-recommends gcc libc6-dev
fi
cargo build --release --locked
target=$(cargo metadata --format-version 1 --no-deps --locked |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
exec "$target/release/icecore" demo "${1:-$(mktemp -d)/icecore-demo}"
