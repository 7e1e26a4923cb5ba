#!/usr/bin/env bash
# Repositories in a bucket: icecore beside restic and rustic, over a line that counts, and that can be long.
#
# usage: bucket.sh [--scale 0.2] [--hours 6] [--delays "0 50"] [--rate MB] [--tools "icecore restic rustic"]
#                  [--peers target/peers] [--work target/bucket]
#
# SeaweedFS (tests/run.sh servers) serves the bucket on loopback; line.py stands before it, makes each round trip
# so many milliseconds longer, and passes so many MB a second. A SQLite database (scale 1: about 500 MB) is
# backed up, HOURS times more after an hour's changes, checked with all data, and restored. Raw results:
# WORK/results.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."

scale=0.2 hours=6 delays="0 50" rate=
tools="icecore restic rustic" peers=target/peers work=target/bucket
. benches/options.sh
options "scale hours delays rate tools peers work" "$@"
. benches/tools.sh
. benches/measure.sh

. benches/server.sh

# usage: use_bucket TOOL DELAY
use_bucket() {
  local place=http://127.0.0.1:$line/bench/$2-$1
  use_repository "$1" "$2"
  export ICECORE_REPOSITORY=s3:$place RESTIC_REPOSITORY=s3:$place
  cat >"$work/rustic.toml" <<END
[repository]
repository = "opendal:s3"
[repository.options]
root = "/$2-$1"
bucket = "bench"
endpoint = "http://127.0.0.1:$line"
region = "us-east-1"
END
  unset RUSTIC_REPOSITORY
  export RUSTIC_USE_PROFILE=$work/rustic
}

# usage: job TOOL NAME; runs `command`, and records what went over the line
job() {
  counted >/dev/null
  measured "$1" "$2" || return 0
  local requests up down dear
  read -r requests up down dear < <(counted)
  record "$1" "$2" requests "$requests" requests
  record "$1" "$2" "creating or listing" "$dear" requests
  record "$1" "$2" up "$up" B
  record "$1" "$2" down "$down" B
}

all_jobs() { # DELAY
  local tool hour out=$work/restored db=$work/state/live.db
  rm -rf "$work/state" && mkdir -p "$work/state"
  "$data" sqlite-start "$db" "$scale"
  for tool in $tools; do
    use_bucket "$tool" "$1"
    "command_$tool" init && job "$tool" "init, $1 ms"
    "command_$tool" backup "$work/state" h0 && job "$tool" "first backup, $1 ms"
  done
  for hour in $(seq "$hours"); do
    "$data" sqlite-hour "$db" "$hour" "$scale"
    for tool in $(turned "$hour"); do
      use_bucket "$tool" "$1"
      "command_$tool" backup "$work/state" "h$hour" && job "$tool" "hourly backup, $1 ms"
    done
  done
  for tool in $tools; do
    use_bucket "$tool" "$1"
    case $tool in
    rustic) command=(rustic snapshots) ;;
    *) command=("$tool" snapshots) ;;
    esac
    job "$tool" "snapshots, $1 ms"
    "command_$tool" check && job "$tool" "check with all data, $1 ms"
    # As on another machine, which has kept nothing.
    rm -rf "$out" "$work/cache/$1-$tool" && mkdir -p "$out"
    "command_$tool" restore "$out" "h$hours" 0 && job "$tool" "restore, $1 ms"
    find "$out" -name live.db -exec cmp {} "$db" \; || say "WRONG BYTES $tool"
  done
}

prepare
print_machine "scale $scale, $hours hours, round trips of $delays ms longer" | tee "$work/machine"
start_server
for delay in $delays; do
  start_line "$delay"
  all_jobs "$delay"
done
echo
print_table "$tools"
