#!/usr/bin/env bash
# Every check of the project, in the order of their cost. Needs a Rust toolchain and Debian; what
# else is missing it installs: compilers and git through apt-get, cargo-deny into target/tools.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

deny_version=0.20.2
fuzz_seconds=${FUZZ_SECONDS:-60}

step() { printf '\n== %s\n' "$*"; }

# Compilers for the bundled SQLite, zstd and libFuzzer; git for the advisory database.
install_packages() {
  local missing=() root=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v c++ >/dev/null || missing+=(g++)
  command -v git >/dev/null || missing+=(git)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -yq --no-install-recommends "${missing[@]}"
}

install_components() {
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
}

# Prints the path of cargo-deny at the pinned version.
cargo_deny() {
  local own=target/tools/bin/cargo-deny found
  for found in "$(command -v cargo-deny || true)" "$own"; do
    if [ -n "$found" ] && [ "$("$found" --version 2>/dev/null)" = "cargo-deny $deny_version" ]; then
      echo "$found"
      return
    fi
  done
  # Without optimisation: it builds in a minute and runs in seconds.
  cargo install --quiet --locked --debug --root target/tools --target-dir target/tools/build \
    "cargo-deny@$deny_version" >&2
  rm -rf target/tools/build
  echo "$own"
}

# The toolchain that runs the tests must be the oldest one that Cargo.toml promises.
check_rust_version() {
  local promised tested
  promised=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  tested=$(rustc --version | sed -n 's/^rustc \([0-9]*\.[0-9]*\)\..*/\1/p')
  [ "$promised" = "$tested" ] && { echo "rust-version $promised is what is tested"; return; }
  echo "rust-version in Cargo.toml is $promised, but rustc $tested runs the tests"
  [ -z "${CI:-}" ] || exit 1
  echo "NOT CHECKED here: that $promised builds (CI does)"
}

# The advisory database is fetched with git, which closed networks refuse: then the check is left
# out, aloud. Licenses, bans and sources need no network.
check_dependencies() {
  local deny
  deny=$(cargo_deny)
  if timeout 120 "$deny" fetch db; then
    "$deny" check --disable-fetch advisories
  else
    echo "NOT CHECKED: security advisories (their database cannot be fetched from here)"
  fi
  "$deny" check bans licenses sources
}

step "tools"
install_packages
install_components
step "minimum Rust version"
check_rust_version
step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --all-targets -- -D warnings
step "dependencies"
check_dependencies
step "tests"
cargo test --locked
step "fuzzing, $fuzz_seconds s"
fuzz/run.sh "$fuzz_seconds"
step "all checks passed"
