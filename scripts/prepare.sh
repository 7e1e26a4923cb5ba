# shellcheck shell=bash
# What a machine needs before anything of this project is built, and how it gets there. Sourced by
# the project's scripts, in the project's folder.

stop() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# Stops, saying what to do, where Rust is missing or older than Cargo.toml asks for.
need_rust() {
  local needed found cure="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  needed=$(rust_needed)
  found=$(rust_found)
  [ "$(printf '%s\n' "$needed" "${found:-0}" | sort -V | sed -n 1p)" != "$needed" ] || return 0
  [ -z "$(command -v rustup)" ] || cure="rustup update stable"
  stop "Rust $needed or newer is needed, and ${found:-none} is here. Debian's is too old; this installs it:

  $cure

(curl: apt-get install --no-install-recommends curl ca-certificates. In a shell that is older than
the installation: . ~/.cargo/env)"
}

rust_needed() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml; }

# Nothing where either of the two programs is missing.
rust_found() {
  command -v cargo >/dev/null || return 0
  rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'
}

# Debian's packages that are missing.
packages=()

# usage: need PACKAGE TEST...; notes the package if the test fails
need() {
  "${@:2}" >/dev/null 2>&1 || [[ " ${packages[*]} " == *" $1 "* ]] || packages+=("$1")
}

# usage: library NAME; whether the dynamic linker knows it
library() { [[ $'\n'$(/sbin/ldconfig -p) == *$'\n\t'"$1 "* ]]; }

# What compiling takes: a C compiler with its headers, and certificates to fetch crates by.
need_to_compile() {
  need gcc command -v cc
  need libc6-dev test -e /usr/include/stdlib.h
  need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
}

# Stops, saying what to ask for, where packages are missing and this user may not install them.
need_right_to_install() {
  [ ${#packages[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    stop "missing here (by the names of Debian's packages): ${packages[*]}"
  elif [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    stop "packages are missing. Run this first, as root or with sudo:

  apt-get update && apt-get install --no-install-recommends ${packages[*]}"
  fi
}

# Installs what is missing.
install_packages() {
  need_right_to_install
  [ ${#packages[@]} -gt 0 ] || return 0
  echo "installing by apt-get: ${packages[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -yq --no-install-recommends "${packages[@]}"
  packages=()
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Builds the program with its flags, and says where it is in `binary`.
build_release() {
  local target
  target=$(cargo metadata --format-version 1 --no-deps --locked |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  binary=$target/release/icecore
  [ -x "$binary" ] || echo "compiling icecore: the first time takes about 11 minutes of processor time"
  cargo build --release --locked
  # Only .cargo/config.toml brings this flag, which a build from elsewhere would not have seen.
  grep -qaF ENABLE_DBPAGE_VTAB "$binary" ||
    stop "SQLite was built without sqlite_dbpage; is .cargo/config.toml in place?"
}
