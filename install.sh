#!/usr/bin/env bash
# Build icecore for release and install it.
#
# usage: install.sh [FOLDER]        default ~/.local/bin
#
# A plain `cargo install` would not see .cargo/config.toml, whose flags compile the table into
# SQLite that fast captures of live databases read (sqlite_dbpage).
set -euo pipefail
folder=$(realpath -m "${1:-$HOME/.local/bin}")
cd "$(dirname "$0")"

cargo build --release --locked
target=$(cargo metadata --format-version 1 --no-deps --locked |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
binary=$target/release/icecore
grep -qaF ENABLE_DBPAGE_VTAB "$binary" || {
  echo "install.sh: SQLite was built without sqlite_dbpage; is .cargo/config.toml in place?" >&2
  exit 1
}
mkdir -p "$folder"
install -m 755 "$binary" "$folder/icecore"
echo "installed $folder/icecore"
case ":$PATH:" in
*":$folder:"*) ;;
*) echo "note: $folder is not in PATH" ;;
esac
