#!/usr/bin/env bash
# Runs icecore beside its peers on the same data and prints medians and ratios.
#
# usage: compare.sh [--scale 1] [--hours 24] [--rounds 3] [--files 200000] [--mib 512]
#                   [--tools "icecore restic rustic borg bupstash"] [--peers target/peers]
#                   [--work target/compare] [--jobs "sqlite postgres dumps files large"]
#
# Every job runs on every tool before the next begins, the tools in turning order. All tools
# compress with zstd level 3 or what they call their default of it; each keeps its cache. Sizes count
# every object in the repository. Raw results: WORK/results.tsv; what each run said: WORK/log.
set -euo pipefail
cd "$(dirname "$0")/.."

scale=1 hours=24 rounds=3 files=200000 mib=512
tools="icecore restic rustic borg bupstash" peers=target/peers work=target/compare
jobs="sqlite postgres dumps files large"
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

. benches/tools.sh
. benches/dumps.sh

# --- one measured run ------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }
record() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$work/results.tsv"; } # TOOL JOB WHAT VALUE UNIT

# usage: measured TOOL JOB; runs `command`
measured() {
  local log=$work/log/$1.${2// /-} wall processor peak code
  sync
  "$data" measure "$work/measured" "${command[@]}" >"$log" 2>&1 || {
    say "FAILED $1, $2: ${command[*]} (see $log)"
    tail -n 3 "$log" >&2
    return 1
  }
  read -r wall processor peak code <"$work/measured"
  record "$1" "$2" wall "$wall" s
  record "$1" "$2" processor "$processor" s
  record "$1" "$2" peak "$peak" KiB
}

new_repository() { # TOOL NAME
  use_repository "$1" "$2"
  rm -rf "$repository" "$repository".* "$work/cache/$2-$1"
  [ "$1" != bupstash ] || bupstash new-key -o "$BUPSTASH_KEY"
  "command_$1" init
  "${command[@]}" >"$work/log/$1.init" 2>&1 || {
    say "FAILED $1, init (see $work/log/$1.init)"
    exit 1
  }
}

size_of() { find "$1" -type f -printf '%s\n' | awk '{sum += $1} END {printf "%.0f\n", sum}'; }

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
  # zstd takes no file of more than 2 GB as the one before.
  [ "$(stat -c %s "$work/previous")" -lt 2147483648 ] || return 0
  size=$(zstd -q -3 -T1 --long=30 --patch-from="$work/previous" -c "$work/state/live.db" | wc -c)
  record zstd-patch "$1" growth "$size" B
}

# The relation files of a PostgreSQL cluster, read while the server is stopped, so that every tool
# sees the same state.
job_postgres() {
  local hour tool
  start_cluster "$work/cluster" || return 0
  say "postgres: pgbench scale $pgbench_scale, $hours hours"
  for hour in $(seq 0 "$hours"); do
    [ "$hour" = 0 ] || as_postgres "$bin/pg_ctl" -D "$cluster" -w -l "$cluster/log" start
    trap stop_cluster EXIT
    if [ "$hour" = 0 ]; then
      as_postgres "$bin/createdb" -h "$cluster" app
      as_postgres "$bin/pgbench" -q -h "$cluster" -i -s "$pgbench_scale" app
    else
      as_postgres "$bin/pgbench" -h "$cluster" -c 2 -t 2500 app
    fi
    stop_cluster
    trap - EXIT
    for tool in $(turned "$hour"); do
      if [ "$hour" = 0 ]; then
        new_repository "$tool" postgres
        backup "$tool" "first backup, postgres" "$cluster/base" h0 || true
      else
        use_repository "$tool" postgres
        backup "$tool" "hourly backup, postgres" "$cluster/base" "h$hour" || true
      fi
    done
  done
}

# usage: start_cluster FOLDER; a new one, started, on a socket in its folder; sets `bin`, `cluster`,
# `server_user`, `pgbench_scale`; fails where there is no server
start_cluster() {
  cluster=$1 server_user=postgres
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -x "$bin/initdb" ] || { say "no PostgreSQL server here, left out: $cluster"; return 1; }
  pgbench_scale=$(awk -v scale="$scale" 'BEGIN {size = int(40 * scale); print (size ? size : 1)}')
  rm -rf "$cluster"
  mkdir -p "$cluster"
  [ "$(id -u)" != 0 ] || chown postgres "$cluster"
  as_postgres "$bin/initdb" -k -A trust -U postgres -D "$cluster"
  printf '%s\n' "listen_addresses=''" "unix_socket_directories='$cluster'" fsync=off \
    shared_buffers=512MB max_wal_size=4GB >>"$cluster/postgresql.conf"
  as_postgres "$bin/pg_ctl" -D "$cluster" -w -l "$cluster/log" start
}

stop_cluster() { as_postgres "$bin/pg_ctl" -D "$cluster" -m fast -w stop; }

# Runs a program as the server's user, silently.
as_postgres() {
  local as=()
  [ "$(id -u)" != 0 ] || as=(runuser -u postgres --)
  (cd / && PGUSER=postgres "${as[@]}" "$@") >>"$work/log/postgres" 2>&1 || {
    say "FAILED $* (see $work/log/postgres)"
    exit 1
  }
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
  [ -n "$tools" ] || { say "no tool to compare"; exit 1; }
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
awk -F '\t' -v tools="$tools zstd-patch pg_dump" -f benches/table.awk "$work/results.tsv"
