# Measuring: one command, one backup, one restore; and what stands around them. Sourced by compare.sh and
# thinning.sh, which set `tools`, `peers` and `work`, from the folder of the project.
peers=$(realpath -m "$peers") work=$(realpath -m "$work")
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
PATH=$target/release:$peers/bin:$PATH

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

backup() { # TOOL JOB FOLDER LABEL [HOURS_AGO]; also records what was added
  local before
  before=$(size_of "$repository")
  if [ $# = 5 ]; then "command_$1" dated "$5" "$3" "$4"; else "command_$1" backup "$3" "$4"; fi
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

print_machine() { # WHAT
  echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | sed -n 1p)," \
    "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), $(date -u +%F)," \
    "load at start $(cut -d ' ' -f 1 /proc/loadavg); $1"
  local tool
  for tool in $tools; do "$tool" --version 2>/dev/null | sed -n 1p || "$tool" version; done
}

keep_present() {
  local tool present=()
  for tool in $tools; do
    if command -v "$tool" >/dev/null; then present+=("$tool"); else say "not here, left out: $tool"; fi
  done
  tools="${present[*]}"
  [ -n "$tools" ] || { say "no tool to compare"; exit 1; }
}

# Builds what is measured and what measures; sets `data`.
prepare() {
  mkdir -p "$work/log" "$work/cache" "$work/repositories"
  : >"$work/results.tsv"
  case " $tools " in
  *" icecore "*) cargo build --release --locked ;;
  esac
  cargo bench --quiet --locked --bench data --no-run
  data=$(ls -t "$target"/release/deps/data-* | grep -v '\.d$' | sed -n 1p)
  keep_present
}

print_table() { # TOOLS
  awk -F '\t' -v tools="$1" -f benches/table.awk "$work/results.tsv"
}
