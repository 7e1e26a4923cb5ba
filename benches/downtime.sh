#!/usr/bin/env bash
# How long a service stands still for its backup: stopped by icecore after a warm-up, and by hooks around all of it.
#
# usage: downtime.sh [--scale 1] [--hours 6] [--files 20000] [--delays "local 0 50"] [--rate MB] [--work target/downtime]
#
# A SQLite database (scale 1: about 500 MB) and a folder of small files change for HOURS hours, and are backed up
# after each, into a folder and into a bucket of SeaweedFS so many milliseconds away. Stopping and starting take
# no time here: add what they take. The median of the hours, in seconds. Raw results: WORK/results.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."

scale=1 hours=6 files=20000 delays="local 0 50" rate=
tools=icecore peers=target/peers work=target/downtime
. benches/options.sh
options "scale hours files delays rate work" "$@"
. benches/tools.sh
. benches/measure.sh
. benches/server.sh

# usage: use_place DELAY WAY; writes the file of jobs
use_place() {
  local folder=$work/$1-$2
  mkdir -p "$folder"
  export ICECORE_STATE_DIR=$folder/state ICECORE_CACHE_DIR=$folder/cache ICECORE_CONFIG=$folder/config.toml
  case $1 in
  local) url=$folder/repository ;;
  *) url=s3:http://127.0.0.1:$line/bench/$1-$2 ;;
  esac
  [ -e "$folder/key" ] || icecore -r "$url" init --new-key-file "$folder/key" >"$work/log/init" 2>&1
  cat >"$ICECORE_CONFIG" <<END
[repository.one]
url = "$url"
key_file = "$folder/key"
[job.app]
source = ["$work/state", "$work/uploads"]
to = ["one"]
END
  case $2 in
  stopped) echo 'stop = { stop = ":", start = ":" }' ;;
  hooks) echo "hooks = { before = \"date +%s.%N >$folder/stopped\", finally = \"date +%s.%N >$folder/started\" }" ;;
  esac >>"$ICECORE_CONFIG"
}

# usage: run_job DELAY WAY; prints how long the service stood still
run_job() {
  icecore --json run app >"$work/log/$1-$2" 2>&1 || { tail -n 3 "$work/log/$1-$2" >&2; exit 1; }
  case $2 in
  stopped) sed 's/.*"downtime":\([0-9.e-]*\).*/\1/' "$work/log/$1-$2" | tail -n 1 ;;
  hooks) paste "$work/$1-$2/started" "$work/$1-$2/stopped" | awk '{printf "%.3f\n", $1 - $2}' ;;
  esac
}

all_hours() { # DELAY
  local hour way
  rm -rf "$work/state" "$work/uploads" && mkdir -p "$work/state"
  "$data" sqlite-start "$work/state/live.db" "$scale"
  "$data" small-files "$work/uploads" "$files"
  sleep 61 # so that no time stamp is too young to be trusted
  for hour in $(seq 0 "$hours"); do
    for way in stopped hooks; do
      use_place "$1" "$way"
      if [ "$hour" = 0 ]; then
        record "$way" "downtime of the first backup, $1" seconds "$(run_job "$1" "$way")" s
      else
        record "$way" "downtime each hour, $1" seconds "$(run_job "$1" "$way")" s
      fi
    done
    "$data" sqlite-hour "$work/state/live.db" $((hour + 1)) "$scale"
    for file in $(seq 20); do head -c 100000 /dev/urandom >"$work/uploads/new-$hour-$file"; done
  done
}

prepare
print_machine "scale $scale, $hours hours, $files files; $delays" | tee "$work/machine"
for delay in $delays; do
  if [ "$delay" != local ]; then
    [ -n "${servers:-}" ] || start_server
    start_line "$delay"
  fi
  all_hours "$delay"
done
echo
print_table "stopped hooks"
