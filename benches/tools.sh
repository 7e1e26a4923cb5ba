# How each tool is called. Sourced by compare.sh and thinning.sh, which set `work`.
#
# use_repository TOOL NAME points the environment at one repository; command_TOOL VERB ... sets the
# array `command`; the verbs: init | backup FOLDER LABEL | restore TARGET LABEL STEPS_BACK | check; icecore
# and restic also: dated HOURS_AGO FOLDER LABEL (a backup) | list | forget | prune

# What a long history is thinned out to.
policy=(--keep-hourly 24 --keep-daily 7 --keep-weekly 4 --keep-monthly 12)

command_icecore() {
  case $1 in
  init) command=(icecore init) ;;
  backup) command=(icecore backup --tag "$3" "$2") ;;
  restore) command=(icecore restore "latest~$4" --target "$2") ;;
  check) command=(icecore check --read-data) ;;
  dated)
    command=(env "LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1)" "FAKETIME=-$2h"
      NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 icecore backup --tag "$4" "$3")
    ;;
  list) command=(icecore snapshots) ;;
  forget) command=(icecore forget "${policy[@]}") ;;
  prune) command=(icecore prune) ;;
  esac
}

command_restic() {
  case $1 in
  init) command=(restic init) ;;
  backup) command=(restic backup --quiet --tag "$3" "$2") ;;
  restore) command=(restic restore --quiet latest --tag "$3" --target "$2") ;;
  check) command=(restic check --quiet --read-data) ;;
  dated)
    command=(restic backup --quiet --time "$(date -d "-$2 hours" '+%F %T')" --tag "$4" "$3")
    ;;
  list) command=(restic snapshots) ;;
  forget) command=(restic forget "${policy[@]}") ;;
  prune) command=(restic prune) ;;
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
  export ICECORE_STATE_DIR=$repository.state
  export RESTIC_REPOSITORY=$repository RESTIC_PASSWORD=compare RESTIC_CACHE_DIR=$cache
  export RUSTIC_REPOSITORY=$repository RUSTIC_PASSWORD=compare RUSTIC_CACHE_DIR=$cache
  export BORG_REPO=$repository BORG_PASSPHRASE=compare BORG_BASE_DIR=$cache
  export BUPSTASH_REPOSITORY=$repository BUPSTASH_KEY=$repository.key BUPSTASH_QUERY_CACHE=$cache
}
