#!/usr/bin/env bash
# Runs icecore beside its peers on the same data and prints medians and ratios.
#
# usage: compare.sh [--scale 1] [--hours 24] [--rounds 3] [--files 200000] [--mib 512]
#                   [--tools "icecore restic rustic borg bupstash"] [--peers target/peers]
#                   [--work target/compare] [--jobs "sqlite files large"]
#
# Every job runs on every tool before the next begins, the tools in turning order. All tools
# compress with zstd level 3 or what they call their default of it; each keeps its cache. Sizes count
# every object in the repository. Raw results: WORK/results.tsv; what each run said: WORK/log.
set -euo pipefail
cd "$(dirname "$0")/.."

scale=1 hours=24 rounds=3 files=200000 mib=512
tools="icecore restic rustic borg bupstash" peers=target/peers work=target/compare
jobs="sqlite files large"
while [ $# -gt 0 ]; do
  case $1 in
  --scale | --hours | --rounds | --files | --mib | --tools | --peers | --work | --jobs)
    printf -v "${1#--}" %s "$2"
    shift 2
    ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
  esac
done
peers=$(realpath -m "$peers") work=$(realpath -m "$work")
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
PATH=$target/release:$peers/bin:$PATH

# --- the tools: command_TOOL VERB sets `command` --------------------------------------------------
# init | backup FOLDER LABEL | restore TARGET LABEL STEPS_BACK | check

command_icecore() {
  case $1 in
  init) command=(icecore init) ;;
  backup) command=(icecore backup --tag "$3" "$2") ;;
  restore) command=(icecore restore "latest~$4" --target "$2") ;;
  check) command=(icecore check --read-data) ;;
  esac
}

command_restic() {
  case $1 in
  init) command=(restic init) ;;
  backup) command=(restic backup --quiet --tag "$3" "$2") ;;
  restore) command=(restic restore --quiet latest --tag "$3" --target "$2") ;;
  check) command=(restic check --quiet --read-data) ;;
  esac
}

command_rustic() {
  case $1 in
  init) command=(rustic init) ;;
  backup) command=(rustic backup --no-progress --tag "$3" "$2") ;;
  restore) command=(rustic restore --no-progress "latest~$4" "$2") ;;
  check) command=(rustic check --no-progress --read-data) ;;
  esac
}

command_borg() {
  case $1 in
  init) command=(borg init --encryption repokey-blake2) ;;
  backup) command=(borg create --compression zstd,3 "::$3" "$2") ;;
  restore) command=(env -C "$2" borg extract "::$3") ;;
  check) command=(borg check --verify-data) ;;
  esac
}

# It has no check.
command_bupstash() {
  case $1 in
  init) command=(bupstash init) ;;
  backup) command=(bupstash put --quiet --compression zstd:3 --send-log "$repository.log" "label=$3" "$2") ;;
  restore) command=(bupstash restore --quiet --into "$2" "label=$3") ;;
  check) command=() ;;
  esac
}

# Points every tool's environment at one repository.
use_repository() { # TOOL NAME
  repository=$work/repositories/$2-$1
  local cache=$work/cache/$2-$1
  export ICECORE_REPOSITORY=$repository ICECORE_PASSWORD=compare ICECORE_CACHE_DIR=$cache
  export RESTIC_REPOSITORY=$repository RESTIC_PASSWORD=compare RESTIC_CACHE_DIR=$cache
  export RUSTIC_REPOSITORY=$repository RUSTIC_PASSWORD=compare RUSTIC_CACHE_DIR=$cache
  export BORG_REPO=$repository BORG_PASSPHRASE=compare BORG_BASE_DIR=$cache
  export BUPSTASH_REPOSITORY=$repository BUPSTASH_KEY=$repository.key BUPSTASH_QUERY_CACHE=$cache
}

# --- one measured run ------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }
record() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$work/results.tsv"; } # TOOL JOB WHAT VALUE UNIT

# usage: measured TOOL JOB; runs `command`
measured() {
  local log=$work/log/$1.${2// /-} wall peak code
  sync
  "$data" measure "$work/measured" "${command[@]}" >"$log" 2>&1 || {
    say "FAILED $1, $2: ${command[*]} (see $log)"
    tail -n 3 "$log" >&2
    return 1
  }
  read -r wall peak code <"$work/measured"
  record "$1" "$2" wall "$wall" s
  record "$1" "$2" peak "$peak" KiB
}

new_repository() { # TOOL NAME
  use_repository "$1" "$2"
  rm -rf "$repository" "$repository".* "$work/cache/$2-$1"
  [ "$1" != bupstash ] || bupstash new-key -o "$BUPSTASH_KEY"
  "command_$1" init
  "${command[@]}" >"$work/log/$1.init" 2>&1
}

size_of() { find "$1" -type f -printf '%s\n' | awk '{sum += $1} END {printf "%d\n", sum}'; }

backup() { # TOOL JOB FOLDER LABEL; also records what was added
  local before
  before=$(size_of "$repository")
  "command_$1" backup "$3" "$4"
  measured "$1" "$2" && record "$1" "$2" growth $(($(size_of "$repository") - before)) B
}

# Restores and compares one file's digest.
restore() { # TOOL JOB LABEL STEPS_BACK NAME DIGEST
  local out=$work/restored got
  rm -rf "$out"
  mkdir -p "$out"
  "command_$1" restore "$out" "$3" "$4"
  measured "$1" "$2" || return 0
  got=$(find "$out" -name "$5" -type f -exec sha256sum {} + | cut -d ' ' -f 1)
  [ "$got" = "$6" ] || say "WRONG BYTES $1, $2"
  rm -rf "$out"
}

# The tools, beginning with another one each time.
turned() {
  local list=($tools) count at
  count=${#list[@]}
  for ((at = 0; at < count; at++)); do echo "${list[($1 + at) % count]}"; done
}

# --- the jobs --------------------------------------------------------------------------------------

job_sqlite() {
  local state=$work/state tool hour round first newest
  local db=$state/live.db
  rm -rf "$state"
  mkdir -p "$state"
  say "sqlite: scale $scale, $hours hours"
  "$data" sqlite-start "$db" "$scale"
  first=$(sha256sum <"$db" | cut -d ' ' -f 1)
  for round in $(seq "$rounds"); do
    for tool in $(turned "$round"); do
      new_repository "$tool" sqlite
      backup "$tool" "first backup" "$state" h0 || true
    done
  done
  for hour in $(seq "$hours"); do
    cp "$db" "$work/previous"
    "$data" sqlite-hour "$db" "$hour"
    for tool in $(turned "$hour"); do
      use_repository "$tool" sqlite
      backup "$tool" "hourly backup" "$state" "h$hour" || true
    done
    patch "hourly backup"
  done
  newest=$(sha256sum <"$db" | cut -d ' ' -f 1)
  for round in $(seq "$rounds"); do
    for tool in $(turned "$round"); do
      use_repository "$tool" sqlite
      restore "$tool" "restore newest" "h$hours" 0 live.db "$newest"
      restore "$tool" "restore first" h0 "$hours" live.db "$first"
      "command_$tool" check
      [ ${#command[@]} = 0 ] || measured "$tool" "check all data" || true
    done
  done
  cp "$db" "$work/previous"
  "$data" sqlite-vacuum "$db"
  for tool in $tools; do
    use_repository "$tool" sqlite
    backup "$tool" "backup after VACUUM" "$state" vacuum || true
  done
  patch "backup after VACUUM"
  rm -f "$work/previous"
}

# The limit: a patch of the whole file against the state before, not encrypted, both at hand.
patch() { # JOB
  local size
  command -v zstd >/dev/null || return 0
  size=$(zstd -q -3 -T1 --long=30 --patch-from="$work/previous" -c "$work/state/live.db" | wc -c)
  record zstd-patch "$1" growth "$size" B
}

job_files() {
  unchanged files "unchanged, $files files" small-files "$files"
}

job_large() {
  unchanged large "unchanged, $mib MiB" large-files "$mib"
}

unchanged() { # NAME JOB GENERATOR SIZE
  local folder=$work/$1 tool round
  say "$1: $4"
  [ -e "$folder.$4" ] || {
    rm -rf "$folder" "$folder".*
    "$data" "$3" "$folder" "$4"
    touch "$folder.$4"
  }
  sleep 3 # so that no time stamp is too young to be trusted
  for tool in $(turned 0); do
    new_repository "$tool" "$1"
    backup "$tool" "first, $1" "$folder" r0 || true
  done
  for round in $(seq "$rounds"); do
    for tool in $(turned "$round"); do
      use_repository "$tool" "$1"
      backup "$tool" "$2" "$folder" "r$round" || true
    done
  done
}

# --- the table -------------------------------------------------------------------------------------

# One row a job and measure: each tool's median, and how many times icecore's it is.
table() {
  awk -F '\t' -v tools="$tools zstd-patch" '
    function median(list, count,   i, j, v) {
      for (i = 2; i <= count; i++) {
        v = list[i]
        for (j = i - 1; j >= 1 && list[j] > v; j--) list[j + 1] = list[j]
        list[j + 1] = v
      }
      return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
    }
    function mean(list, count,   i, sum) {
      for (i = 1; i <= count; i++) sum += list[i]
      return sum / count
    }
    function value_of(key,   count, list, i) {
      count = split(values[key], list, " ")
      for (i = 1; i <= count; i++) list[i] += 0
      return key ~ /growth$/ ? mean(list, count) : median(list, count)
    }
    BEGIN { columns = split(tools, tool, " ") }
    {
      key = $1 FS $2 FS $3
      values[key] = values[key] " " ($3 == "growth" ? $4 / 1e6 : $3 == "peak" ? $4 / 1024 : $4)
      row = $2 FS $3
      if (!(row in seen)) { seen[row] = 1; order[++rows] = row }
    }
    END {
      unit["wall"] = "s"; unit["growth"] = "MB (mean)"; unit["peak"] = "MiB"
      line = "| what | unit |"; rule = "|---|---|"
      for (i = 1; i <= columns; i++) { line = line " " tool[i] " |"; rule = rule "---|" }
      print line; print rule
      for (r = 1; r <= rows; r++) {
        split(order[r], part, FS)
        line = "| " part[1] ", " part[2] " | " unit[part[2]] " |"
        own = "icecore" FS order[r]
        base = own in values ? value_of(own) : 0
        for (i = 1; i <= columns; i++) {
          key = tool[i] FS order[r]
          if (!(key in values)) { line = line " - |"; continue }
          v = value_of(key)
          cell = sprintf(part[2] == "peak" ? "%.0f" : v < 10 ? "%.2f" : "%.1f", v)
          if (base > 0 && tool[i] != "icecore") cell = cell sprintf(" (%.2fx)", v / base)
          line = line " " cell " |"
        }
        print line
      }
    }' "$work/results.tsv"
}

print_machine() {
  echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
    "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), $(date -u +%F)," \
    "load at start $(cut -d ' ' -f 1 /proc/loadavg); scale $scale, $hours hours, $rounds rounds"
  local tool
  for tool in $tools; do "$tool" --version 2>/dev/null | head -n 1 || "$tool" version; done
}

keep_present() {
  local tool present=()
  for tool in $tools; do
    if command -v "$tool" >/dev/null; then present+=("$tool"); else say "not here, left out: $tool"; fi
  done
  tools="${present[*]}"
}

mkdir -p "$work/log" "$work/cache" "$work/repositories"
: >"$work/results.tsv"
case " $tools " in
*" icecore "*) cargo build --release --locked ;;
esac
cargo bench --quiet --locked --bench data --no-run
data=$(ls -t "$target"/release/deps/data-* | grep -v '\.d$' | head -n 1)
keep_present
print_machine | tee "$work/machine"
for job in $jobs; do "job_$job"; done
echo
table
