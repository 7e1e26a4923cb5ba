#!/usr/bin/env bash
# Installs what icecore is compared with (restic, rustic, borg, bupstash, zstd's own program) and the
# PostgreSQL server that the comparison works on.
#
# usage: peers.sh [FOLDER]        default target/peers; the programs come to stand in FOLDER/bin
#
# For Debian, as root or with sudo; a quarter of an hour on two cores. What cannot be had is named,
# and the comparison runs without it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/prepare.sh
need_rust
folder=$(realpath -m "${1:-target/peers}")
bin=$folder/bin
mkdir -p "$bin"

lacking() { echo "peers.sh: no $1: $2" >&2; }

install_libraries() {
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends \
    gcc g++ libc6-dev pkg-config zstd libsodium-dev libssl-dev liblz4-dev libacl1-dev libxxhash-dev \
    libzstd-dev python3-dev python3-venv postgresql libfaketime strace
}

# Debian's stable restic is years old. The newest package is one static program, so it is taken
# from the unstable suite of the mirror that apt uses here, and unpacked beside the system.
install_restic() {
  [ -x "$bin/restic" ] && return
  local apt=$folder/apt mirror
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | sed -n '/\/debian\/$/p' | sed -n 1p)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" \
    >"$apt/sources.list"
  local own=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none
    -o APT::Sandbox::User=root)
  if apt-get "${own[@]}" update -q && (cd "$apt" && apt-get "${own[@]}" download -q restic); then
    dpkg-deb -x "$apt"/restic_*.deb "$folder/restic" && ln -sf ../restic/usr/bin/restic "$bin/restic"
  else
    lacking "recent restic" "the stable suite's is taken"
    as_root apt-get install -yq restic && ln -sf "$(command -v restic)" "$bin/restic"
  fi
}

install_borg() {
  [ -x "$bin/borg" ] && return
  if python3 -m venv "$folder/borg" && "$folder/borg/bin/pip" install -q borgbackup; then
    ln -sf ../borg/bin/borg "$bin/borg"
  else
    lacking "recent borg" "the stable suite's is taken"
    as_root apt-get install -yq borgbackup && ln -sf "$(command -v borg)" "$bin/borg"
  fi
}

# usage: install_crate PROGRAM CRATE [FLAG...]
install_crate() {
  local program=$1
  shift
  [ -x "$bin/$program" ] && return
  nice cargo install --quiet --locked --root "$folder" --target-dir "$folder/build" "$@" ||
    lacking "$program" "it does not build"
}

print_versions() {
  local program
  for program in restic rustic borg bupstash; do
    if [ -x "$bin/$program" ]; then
      "$bin/$program" --version 2>/dev/null || "$bin/$program" version
    else
      lacking "$program" "see above"
    fi
  done
  zstd --version
}

install_libraries || lacking "libraries" "apt-get failed"
install_restic
install_borg
install_crate bupstash bupstash
# The features left out are its terminal interface and web server.
install_crate rustic rustic-rs --no-default-features
rm -rf "$folder/build"
print_versions
