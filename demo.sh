#!/usr/bin/env bash
# The demonstration: a live SQLite database under load, hourly snapshots, a restore that is
# proved, and a flipped bit that is found. Compiles icecore first, which takes minutes. Needs a Rust
# toolchain; a missing C compiler is installed, if run as root or with sudo.
#
# usage: demo.sh [FOLDER]        default: a new temporary folder
set -euo pipefail
folder=${1:+$(realpath -m "$1")}
cd "$(dirname "$0")"
. scripts/prepare.sh

need_rust
need_to_compile
install_packages
build_release
exec "$binary" demo "${folder:-$(mktemp -d)/icecore-demo}"
