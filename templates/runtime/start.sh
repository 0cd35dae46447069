# --- start: a run that is kept below $state, or one that only looks and leaves nothing -----------

as_root() { [ "$(id -u)" = 0 ] || { echo "this must run as root" >&2; exit 5; }; }

open_run() { # RUN-ID: its directory, the journal on 3, the log on 4
  trap - EXIT # of a look before it: until there is a journal, a plain exit is the word
  run_id=$1 run=$state/runs/$1
  umask 022
  # The launcher has done this, and what is for people, for a run that a controller started.
  if [ -n "${human-}" ]; then
    as_root
    mkdir -p "$state" && chmod 0711 "$state" && mkdir -p "$run" && chmod 0700 "$state/runs" "$run" || exit 3
  fi
  private_root=$state out=$run/out events=$run/ev
  started=$(started_of $$)
  if [ -n "${human-}" ]; then
    exec 8>"$state/mutex"
    flock 8
    if somebody_runs; then echo "another run is under way: $(who_runs)" >&2; exit 10; fi
    announce "$run_id" $$ "$started" by-hand "${SUDO_USER:-root}"
    exec 8>&-
  fi
  exec 3>>"$events" 4>>"$run/log"
  trap 'finish 143' HUP INT TERM PIPE
  trap 'finish 1' EXIT # only a bug of ours ends elsewhere than in finish
  echo "$$ $started" >"$run/pid"
  sweep
  claimed='' fetched='' foreign=''
  for left in /run/dockwright-auth.??????; do [ ! -e "$left" ] || rm -rf -- "$left"; done
  for left in "$state"/sent.*; do [ "$left" = "$state/sent.$run_id" ] || [ ! -e "$left" ] || rm -rf -- "$left"; done
  tell "run $run_id: $playbook, asked for by $operator" &
  : >"$out"
  record start - "$(date +%s) $(boot_id) $playbook $(printf '%s' "$operator" | base64 -w0)"
}

# sweep: a run that was killed leaves private directories, which are ours, and perhaps an apt-get that goes on. Those of
# scripts that only look are elsewhere: one may be under way.
sweep() {
  for left in /run/dockwright-probed.*.taken; do
    [ -e "$left" ] && read -r killed_lists killed_archives <"$left" && end_downloads "$killed_lists" || continue
    take_away ${killed_lists:+"$killed_lists"} ${killed_archives:+"$killed_archives"} "$left"
  done
  for left in "$state"/apt.??????; do
    [ -e "$left" ] && end_downloads "$left" || continue
    [ ! -L "$left/archives" ] || take_away "$(readlink "$left/archives")"
    take_away "$left"
  done
}

open_scratch() { # RUN-ID: records to standard output (or nowhere, for people), files below /run
  as_root
  run_id=$1
  run=$(mktemp -d /run/dockwright.XXXXXX) && chmod 0711 "$run" || exit 3
  scratch=$run private_root=$run out=$run/out foreign=''
  if [ -n "${human-}" ]; then exec 3>/dev/null 4>/dev/null; else exec 3>&1 4>/dev/null >/dev/null; fi
  trap 'finish 143' HUP INT TERM PIPE
  trap 'finish 1' EXIT # only a bug of ours ends elsewhere than in finish
  : >"$out"
}
