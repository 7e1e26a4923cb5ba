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
. benches/options.sh
options "scale hours rounds files mib tools peers work jobs" "$@"
. benches/tools.sh
. benches/measure.sh
. benches/dumps.sh

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
  sleep 61 # so that no time stamp is too young to be trusted
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

prepare
print_machine "scale $scale, $hours hours, $rounds rounds" | tee "$work/machine"
for job in $jobs; do "job_$job"; done
echo
print_table "$tools zstd-patch pg_dump"
