# Files of a vendor, got by this host's own apt with its CAs and its proxy: writes below /run, and
# takes that away again. What comes is not judged here.
main() {
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LC_ALL=C.UTF-8
export PATH HOME LC_ALL
committed=0
state=/var/lib/dockwright operator=controller playbook=fetch
proxy=http://proxy.example:3128

# --- away: what is private to a run goes, for good ------------------------------------------------

# take_away PATH...: what was stopped or killed a moment ago may still write there, and rm(1) fails then.
take_away() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$@" 2>/dev/null && return
    sleep 0.1
  done
}

# end_downloads DIRECTORY: by apt, into a directory of ours, which its arguments name; true where nobody else is at work
# with it. Who changes packages goes on: a dpkg that is stopped in the middle leaves more to mend.
end_downloads() {
  case $1 in */dockwright*) ;; *) return 1 ;; esac # less than a name of ours is in anybody's arguments
  at_work=0 places=$(grep -lsF -- "$1" /proc/[0-9]*/cmdline)
  for place in $places; do
    [ -O "$place" ] && words=" $(tr '\0' ' ' <"$place") " && worker=${place#/proc/} || continue # whoever may name it
    case $words in
      '  '|' grep '*) ;;
      *' --download-only '*|*' download-file '*|*' update '*|*' download '*) kill "${worker%%/*}" ;;
      *) at_work=1 ;;
    esac
  done
  return "$at_work"
} 2>/dev/null

# --- journal: framed records that the controller follows, and that stay as the host's own log ---
# A record is one line: dw1 RUN TYPE STEP UPTIME TEXT. Free text is base64. Only this program writes
# to descriptor 3; what commands print goes to the log, so that no output can pass for a record.

now() { read -r uptime _ </proc/uptime; }

record() { # TYPE STEP [TEXT]: one record, at once
  now
  printf 'dw1 %s %s %s %s %s\n' "$run_id" "$1" "$2" "$uptime" "${3-}" >&3
  [ -z "${human-}" ] || show "$1" "$2" "${4-${3-}}"
}

show() { # TYPE STEP TEXT: the same for people, where the program is run by hand
  case $1 in
    begin) shown_title=$3 ;;
    passed|changed|verified) printf '  ok       %s%s\n' "${shown_title:-$2}" "${3:+: $3}" ;;
    same) printf '  already  %s%s\n' "${shown_title:-$2}" "${3:+: $3}" ;;
    stop) rest=${3#* } && printf '  failed   %s\n' "${rest#* }" ;;
    cause|note) printf '           %s\n' "$3" ;;
    output) [ -z "$3" ] || printf '%s\n' "$3" | sed 's/^/           | /' ;;
    wait) printf '  waiting  %s\n' "$3" ;;
    end) printf 'exit %s\n' "$3" ;;
  esac
}

record_text() { # TYPE STEP TEXT: a record with free text
  record "$1" "$2" "$(printf '%s' "$3" | base64 -w0)" "$3"
}

settle() { [ -z "${events-}" ] || sync -d "$events" 2>/dev/null || sync; } # the journal is on disk

finish() { # CODE: the last record; what is private goes
  trap '' HUP INT TERM PIPE
  trap - EXIT
  [ -z "${way_back-}" ] || "$way_back"
  [ -z "${fetched-}" ] || [ -e "${claimed:-$private}/fetched" ] || end_downloads "${claimed:-$private}"
  [ -z "${foreign-}" ] || end_downloads "$private"
  take_away ${private:+"$private"} ${work:+"$work"} ${claimed:+"$claimed" "$claim"} ${fetched:+"$fetched"} ${scratch:+"$scratch"} ${auth:+"$auth"} ${sent:+"$sent"}
  [ -z "${events-}" ] || sweep # who was at work when this run began may have ended
  # Who reads the last record may ask the host at once: by then no run is under way. Below the lock,
  # as a launcher may be about to write the name down.
  [ -z "${events-}" ] || { flock -w 30 8; rm -f -- "$state/live"; } 8>"$state/mutex"
  record end - "$1"
  settle
  [ -z "${events-}" ] || tell "run $run_id ended with $1"
  exit "$1"
}

# stop CODE STEP BRIEF [CAUSE]: give up. Before the commit point nothing outside $state has changed.
stop() {
  record_text stop "$2" "$1 $committed $3"
  [ -z "${4-}" ] || record_text cause "$2" "$4"
  tail -n 40 "$out" 2>/dev/null | head -c 4000 >"$out.tail"
  record_text output "$2" "$(cat "$out.tail")"
  finish "$1"
}

# From the commit point to the end of its ladder a run is unverified, and the host says so: whatever
# ends it, the next run makes up for the checks.
owe_checks() {
  [ ! -e "$state/unverified" ] || left_over=1 # a run that was cut may have left a container
  { printf '%s\n' "$run_id" >"$state/unverified" && sync "$state/unverified" "$state"; } 2>"$out" ||
    stop 3 commit "$state cannot be written: is the disk full?"
}

ended_well() { # undo takes back the newest run that changed something
  newest=$(newest_receipt)
  printf '%s\n' "${newest:-$run_id}" >"$state/last"
}

newest_receipt() { # the run that it is of; an undo that was cut is none: what it was taking back still is
  # shellcheck disable=SC2012  # names of ours, without blanks, by age
  ls -1t "$state"/runs/*/receipt 2>/dev/null | while read -r newest; do
    newest=${newest%/receipt}
    grep -qs '^dw1 [^ ]* start - [^ ]* [^ ]* [^ ]* undo ' "$newest/ev" && continue
    printf '%s' "${newest##*/}"
    break
  done
}

tell() { # who changed what here: journalctl -t dockwright
  if command -v systemd-cat >/dev/null 2>&1 && [ -d /run/systemd/system ]; then
    printf '%s\n' "$1" | systemd-cat -t dockwright 2>/dev/null || :
  fi
}

asked_to_stop() { [ ! -e "$run/stop" ] || stop 130 "$1" "stopped after a step, as asked"; }

# step ID TITLE: check; if not so yet, apply and check again. The one rule for every kind.
step() {
  asked_to_stop "$1"
  brief=
  record begin "$1" "$2"
  : >"$out"
  if "check_$1" >"$out" 2>&1; then
    hear
    record same "$1" "$heard"
    return
  fi
  settle
  : >"$out"
  if "apply_$1" >"$out" 2>&1; then rc=0; else rc=$?; fi
  [ ! -s "$out" ] || cat "$out" >&4
  [ "$rc" = 0 ] || stop "${exit_code:-6}" "$1" "${brief:-$2: failed with $rc}" "${cause-}"
  hear
  "check_$1" >"$out" 2>&1 || stop 6 "$1" "$2: applied, yet the check still fails"
  record changed "$1" "$heard"
}

# A check or an apply leaves one line for people in $run/said; it is taken from there into $heard.
say() { printf '%s\n' "$1" >"$run/said"; }
hear() {
  heard=
  [ -s "$run/said" ] || return 0
  IFS= read -r heard <"$run/said"
  : >"$run/said"
}

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

# --- proxy: how apt gets out; $proxy is its URL without a login, or nothing ----------------------

# through_proxy COMMAND ARGUMENT...: an apt program, with our proxy and its login where there are.
through_proxy() {
  if [ -n "${proxy-}" ]; then set -- "$@" -o Acquire::http::Proxy="$proxy" -o Acquire::https::Proxy="$proxy"; fi
  if [ -n "${auth-}" ]; then set -- "$@" -o Dir::Etc::netrcparts="$auth"; fi
  "$@"
}

# hold_login LINE: the proxy's login, in memory and for root alone, beside the host's own logins
# (apt_auth.conf(5)); finish takes it away. apt reads these files before it drops to the user _apt.
hold_login() {
  auth=$(mktemp -d "${scratch:-/run}/dockwright-auth.XXXXXX") || return
  (umask 077 && printf '%s\n' "$1" >"$auth/00-dockwright.conf") || return
  for file in /etc/apt/auth.conf.d/*.conf; do
    case $file in */95dockwright-proxy.conf) continue ;; esac
    [ ! -f "$file" ] || cp -p -- "$file" "$auth/" || return
  done
}

# configured_proxies: those of the host's own apt, without their logins.
configured_proxies() {
  apt-config dump 2>/dev/null |
    sed -n 's/^Acquire::https*::Proxy[^ ]* "\([a-z]*:\/\/\)\([^"]*@\)\{0,1\}\([^"@]*\)";$/\1\3/p' | sort -u | head -n 8
}

# proxy_fails TEXT: whether apt's words are about a proxy, and not about a repository; sets culprit.
proxy_fails() {
  for culprit in ${proxy:-$(configured_proxies)}; do
    place=${culprit#*://} place=${place%/} name=${place%:*}
    case $1 in
      *"407  Proxy Auth"*|*"Invalid response from proxy"*|*"connect to $place"*|*"connection to $place"*|*"resolving '$name'"*|*"resolve '$name'"*)
        return 0 ;;
    esac
  done
  return 1
}

stop_at_proxy() { # STEP TEXT: 5 where it is the proxy's fault
  ! proxy_fails "$2" || stop 5 "$1" "the proxy $culprit does not let this host's apt through"
}

# get NUMBER BYTES SECONDS URL: into a directory of its own, which apt's user may write to.
get() {
  mkdir "$run/$1" && chown _apt "$run/$1" 2>/dev/null
  # Blocks have 512 bytes; a file that outgrows them ends apt's method (setrlimit(2), RLIMIT_FSIZE).
  (
    ulimit -f $(($2 / 512 + 1))
    through_proxy timeout -k 5 "$3" /usr/lib/apt/apt-helper -q -o Acquire::Retries=2 download-file "$4" "$run/$1/file"
  ) >"$run/$1.said" 2>&1
  echo $? >"$run/$1.rc"
}

# tell_of NUMBER: the file in pieces, or what apt said.
tell_of() {
  read -r rc <"$run/$1.rc"
  if [ "$rc" = 0 ] && [ -f "$run/$1/file" ]; then
    base64 -w 60000 <"$run/$1/file" | awk -v head="dw1 $run_id data $1 0" '{ print head, $0 }' >&3
    record got "$1"
  elif [ "$rc" = 124 ] || [ "$rc" = 125 ] || [ "$rc" = 137 ]; then # 125: uutils before 0.12 with -k
    record late "$1"
  else
    record_text refused "$1" "$(tail -c 2000 "$run/$1.said")"
  fi
}

open_scratch 2026-11-24-1f3a2b
[ -x /usr/lib/apt/apt-helper ] || stop 3 fetch "this host has no /usr/lib/apt/apt-helper"
hold_login 'machine http://proxy.example:3128 login robot password it'"'"'s `a` $(secret)' || stop 3 fetch "no room in /run"
record_text proxies - "${proxy:-$(configured_proxies)}"
get 1 262144 60 https://download.docker.com/linux/debian/gpg &
get 2 1024 60 'http://a.example/it'"'"'s' &
wait
tell_of 1
tell_of 2
finish 0
}
main </dev/null
