#!/usr/bin/env bash
# A long history of hourly backups that is thinned out and pruned: icecore beside restic.
#
# usage: thinning.sh [--hours 1000] [--days 2] [--scale 0.02] [--tools "icecore restic"]
#                    [--peers target/peers] [--work target/thinning]
#
# A SQLite database (scale 1: about 500 MB) and a file of 8 MiB, both changed every hour, are backed
# up HOURS times, thinned out by a policy and pruned; then, DAYS times, 24 times more, thinned
# out and pruned. The clock of each backup says an hour more, for icecore by libfaketime (peers.sh).
# Reads are counted by `strace`. Raw results: WORK/results.tsv; what each run said: WORK/log.
set -euo pipefail
cd "$(dirname "$0")/.."

hours=1000 days=2 scale=0.02
tools="icecore restic" peers=target/peers work=target/thinning
. benches/options.sh
options "hours days scale tools peers work" "$@"
. benches/tools.sh
. benches/measure.sh

state=$work/state
db=$state/live.db

# The source as it is at the end of an hour, and one backup of it by each tool; without a JOB all at once,
# and not measured.
hour() { # HOUR [JOB]
  local tool ago=$((hours + 24 * days - $1))
  "$data" sqlite-hour "$db" "$1" "$scale"
  "$data" file-hour "$state/file" "$1"
  for tool in $(turned "$1"); do
    use_repository "$tool" history
    if [ $# = 2 ]; then
      backup "$tool" "$2" "$state" "h$1" $ago || true
    else
      "command_$tool" dated $ago "$state" "h$1"
      "${command[@]}" >"$work/log/$tool.hour" 2>&1 || say "FAILED $tool, hour $1" &
    fi
  done
  wait
}

start() {
  local tool
  rm -rf "$state"
  mkdir -p "$state"
  "$data" sqlite-start "$db" "$scale"
  "$data" file-hour "$state/file" 0
  for tool in $tools; do
    new_repository "$tool" history
    backup "$tool" "first backup" "$state" h0 $((hours + 24 * days)) || true
  done
}

newest() { sha256sum <"$db" | cut -d ' ' -f 1; }

# Objects of the repository that `command` opens to read.
reads() { # TOOL JOB
  command -v strace >/dev/null || return 0
  strace -f -qq -z -e trace=open,openat -o "$work/trace" "${command[@]}" >/dev/null 2>&1 || true
  record "$1" "$2" reads "$(grep -F "\"$repository/" "$work/trace" | grep -vc O_DIRECTORY || true)" objects
}

lists() { # WHEN
  local tool cache
  for tool in $tools; do
    use_repository "$tool" history
    "command_$tool" list
    for cache in cold warm; do
      [ $cache = warm ] || rm -rf "$work/cache/history-$tool"
      reads "$tool" "list $1, $cache cache"
      [ $cache = warm ] || rm -rf "$work/cache/history-$tool"
      measured "$tool" "list $1, $cache cache" || true
    done
  done
}

restores() { # WHEN HOUR
  local tool
  for tool in $(turned "$2"); do
    use_repository "$tool" history
    restore "$tool" "restore newest, $1" "h$2" 0 live.db "$(newest)"
  done
}

# The same state, and nothing else, in a repository of its own.
restores_alone() { # HOUR
  local tool
  for tool in $tools; do
    new_repository "$tool" alone
    backup "$tool" "backup, alone" "$state" "h$1" || true
    restore "$tool" "restore newest, alone" "h$1" 0 live.db "$(newest)"
  done
}

# usage: objects; names and sizes of the repository's objects, in order
objects() { (cd "$repository" && find . -type f -printf '%p %s\n' | sort); }

thin() { # WHEN
  local tool verb
  for tool in $tools; do
    use_repository "$tool" history
    record "$tool" "before, $1" size "$(size_of "$repository")" B
    for verb in forget prune; do
      objects >"$work/objects"
      "command_$tool" "$verb"
      measured "$tool" "$verb, $1" || true
      record "$tool" "$verb, $1" written \
        "$(objects | comm -13 "$work/objects" - | awk '{sum += $2} END {printf "%.0f", sum}')" B
    done
    record "$tool" "after, $1" size "$(size_of "$repository")" B
  done
}

# Backups with a prune beside them, by turns with others that have none: each on a copy of the same repository,
# after a forget and a backup that fills the cache.
beside() {
  local tool=icecore round original
  case " $tools " in *" $tool "*) ;; *) return ;; esac
  use_repository $tool history
  original=$repository
  use_repository $tool copy
  for round in 1 3 5 7 9; do
    copy "$original" $((hours + round))
    backup $tool "backup, no prune beside it" "$state" alone || true
    copy "$original" $((hours + round + 1))
    command_$tool prune
    "${command[@]}" >"$work/log/copy-prune" 2>&1 &
    sleep 0.2 # past the derivation of its key
    backup $tool "backup, a prune beside it" "$state" beside || true
    kill -0 $! 2>/dev/null || say "the prune had ended before the backup"
    wait $! || true # it may leave its collection to the next, since a writer is at work
  done
  rm -rf "$repository" "$repository.state"
}

copy() { # REPOSITORY HOUR
  rm -rf "$repository" "$repository.state" "$work/cache/copy-icecore"
  cp -a "$1" "$repository"
  command_icecore forget
  "${command[@]}" >"$work/log/copy" 2>&1
  command_icecore backup "$state" before
  "${command[@]}" >"$work/log/copy" 2>&1
  "$data" sqlite-hour "$db" "$2" "$scale"
}

prepare
print_machine "scale $scale, $hours hours, $days days" | tee "$work/machine"
start
for hour in $(seq "$hours"); do
  if [ "$hour" -le 24 ]; then
    hour "$hour" "hourly backup, first day"
  elif [ "$hour" -gt $((hours - 24)) ]; then
    hour "$hour" "hourly backup, last day"
  else
    hour "$hour"
  fi
  [ $((hour % 100)) != 0 ] || say "$hour hours"
done
lists "of $hours"
restores "after $hours hours" "$hours"
restores_alone "$hours"
cp -a "$state" "$state.kept"
beside
rm -rf "$state"
mv "$state.kept" "$state"
thin "after $hours hours"
restores "thinned out" "$hours"
lists "thinned out"
thin "again at once"
for day in $(seq "$days"); do
  for hour in $(seq $((hours + 24 * (day - 1) + 1)) $((hours + 24 * day))); do
    hour "$hour" "hourly backup, thinned out"
  done
  thin "each day"
done
for tool in $tools; do
  use_repository "$tool" history
  "command_$tool" check
  measured "$tool" "check all data" || true
done
echo
print_table "$tools"
