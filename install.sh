#!/usr/bin/env bash
# Build icecore for release and install it without its symbols, which stay in the folder of the
# build for debuggers and backtraces. Needs what demo.sh needs.
#
# usage: install.sh [FOLDER]        default ~/.local/bin
#
# A plain `cargo install` would not see .cargo/config.toml, whose flags compile the table into
# SQLite that fast captures of live databases read (sqlite_dbpage).
set -euo pipefail
folder=$(realpath -m "${1:-$HOME/.local/bin}")
cd "$(dirname "$0")"
. scripts/prepare.sh

need_rust
need_to_compile
need binutils command -v objcopy
install_packages
build_release

objcopy --only-keep-debug "$binary" "$binary.debug"
objcopy --strip-all --add-gnu-debuglink="$binary.debug" "$binary" "$binary.stripped"
mkdir -p "$folder"
install -m 755 "$binary.stripped" "$folder/icecore"
rm "$binary.stripped"
echo "installed $folder/icecore ($(du -h "$folder/icecore" | cut -f 1)); its symbols: $binary.debug"
case ":$PATH:" in
*":$folder:"*) ;;
*) echo "note: $folder is not in PATH" ;;
esac
