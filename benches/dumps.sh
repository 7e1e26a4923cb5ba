# The job "dumps": hourly dumps of a PostgreSQL database that is written to. Sourced by compare.sh.
#
# The database is made by pgbench (scale 40: a plain dump of 390 MB) and gets 5,000 transactions of
# two clients an hour. Each hour it is dumped in both forms: by pg_dump alone into nothing, which
# is the least that any of them can take, by icecore itself, and by each tool that stores the
# output of a command.

dump_forms="custom plain"

job_dumps() {
  local hour tool form
  start_cluster "$work/dumps" || return 0
  trap stop_cluster EXIT
  say "dumps: pgbench scale $pgbench_scale, $hours hours"
  as_postgres "$bin/createdb" -h "$cluster" app
  as_postgres "$bin/pgbench" -q -h "$cluster" -i -s "$pgbench_scale" app
  for form in $dump_forms; do
    for tool in $tools; do
      dump_command "$tool" "$form" h0 && new_repository "$tool" "dump-$form"
    done
  done
  for hour in $(seq 0 "$hours"); do
    [ "$hour" = 0 ] || as_postgres "$bin/pgbench" -h "$cluster" -c 2 -t 2500 app
    # What the server still has to write out is no part of a dump.
    as_postgres "$bin/psql" -qXh "$cluster" -c CHECKPOINT app
    for form in $dump_forms; do dump_hour "$form" "$hour"; done
  done
  stop_cluster
  trap - EXIT
}

# usage: dump_hour FORM HOUR; every tool in turn, from pg_dump to pg_dump
dump_hour() {
  local tool job="hourly dump, $1" before
  [ "$2" != 0 ] || job="first dump, $1"
  command=(sh -c "$(pg_dump_command "$1") >/dev/null")
  measured pg_dump "$job" || true
  for tool in $(turned "$2"); do
    use_repository "$tool" "dump-$1"
    dump_command "$tool" "$1" "h$2" || continue
    before=$(size_of "$repository")
    measured "$tool" "$job" && record "$tool" "$job" growth $(($(size_of "$repository") - before)) B
  done
}

# usage: dump_command TOOL FORM LABEL; sets `command`, fails for tools without such a source
dump_command() {
  local dump
  dump=$(pg_dump_command "$2")
  case $1 in
  icecore)
    command=(icecore backup --tag "$3" --dump-format "$2" --no-globals --pg-bin "$bin"
      "postgres-dump:host=$cluster user=$server_user dbname=app")
    ;;
  restic) command=(restic backup --quiet --tag "$3" --stdin-filename app --stdin-from-command -- $dump) ;;
  *) return 1 ;;
  esac
}

pg_dump_command() { # FORM
  local compress=
  [ "$1" != custom ] || compress=-Z0
  echo "$bin/pg_dump -h $cluster -U $server_user -F$1 $compress app"
}
