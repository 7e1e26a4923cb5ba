# shellcheck shell=bash
# The options of the scripts here. Sourced by them.

# usage: options "NAME..." "$@"; sets the variables of these names from `--NAME VALUE`. Anything else shows the
# head of the script.
options() {
  local names=" $1 "
  shift
  while [ $# -gt 1 ] && [[ $1 == --* && $names == *" ${1#--} "* ]]; do
    printf -v "${1#--}" %s "$2"
    shift 2
  done
  [ $# = 0 ] || {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
  }
}
