#!/bin/sh
# Dockwright X.Y.Z: A machine that can be reached over SSH
# For web1 (debian trixie, amd64). Run as root: sh FILE
#
# + install openssh-server: openssh-server (the machine is to be reached over SSH)
# ~ check that ssh runs: ssh.service (must be enabled and running; is not there yet)
#
# Each step is check, apply, check again. Exit codes: 0 done, 3 refused and 4 trust (nothing was
# changed), 5 unreachable, 6 failed (run it again), 7 needs repair, 8 verification failed, 10 busy.
main() {
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1
export PATH HOME LC_ALL DEBIAN_FRONTEND DEBIAN_PRIORITY NEEDRESTART_SUSPEND APT_LISTCHANGES_FRONTEND UCF_FORCE_CONFFOLD

state=/var/lib/dockwright
lock_timeout=30
committed=0
operator=pat@controller
playbook=ssh-server
wanted=openssh-server=1:10.0p1-7+deb13u4
lacking=''
apt_flags=''
removals=''
replaced=''
sites=''
proxy=''
source_paths=''
transaction='I openssh-server 1:10.0p1-7+deb13u4
'

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

# --- files: old or new, never half; what stood there before is kept -----------------------------

sum_of() { # PATH: sha256 of a file, or "absent"
  if [ -e "$1" ] || [ -L "$1" ]; then
    hash=$(sha256sum <"$1" 2>/dev/null) || hash=unreadable
    printf '%s' "${hash%% *}"
  else
    printf absent
  fi
}

# What undo and uninstall need: one line a change, written before it. Cut in between, a line tells of
# what is not there, which is as before; the other way round it would be nobody's for ever.
receipt() { printf '%s\n' "$*" >>"$run/receipt"; }

keep() { # PATH: keep a copy of what stands there, once a run
  [ -e "$1" ] || { receipt "file $1 absent -"; return; }
  name=$(printf '%s' "$1" | tr / %)
  [ ! -e "$run/backup/$name" ] || return 0
  mkdir -p "$run/backup" && cp -p -- "$1" "$run/backup/$name" && sync "$run/backup/$name" &&
    receipt "file $1 $(sum_of "$1") $run/backup/$name"
}

put() { # PATH MODE CONTENT: by a temporary file beside it, made durable, then renamed
  keep "$1" || return
  dir=${1%/*}
  # Each that is missing, so that all of them go again.
  above=$dir
  while [ ! -d "$above" ]; do receipt "directory $above" && above=${above%/*} || return; done
  [ -d "$dir" ] || mkdir -p "$dir" || return
  temporary=$dir/.dockwright-$run_id
  # A run that was cut may have left its own.
  for left in "$dir"/.dockwright-*; do [ ! -e "$left" ] || rm -f -- "$left" || return; done
  { (umask 077 && set -C && printf '%s' "$3" >"$temporary") &&
    { [ ! -g "$dir" ] || chown root:root "$temporary"; } && chmod "$2" "$temporary" && receipt "wrote $1 $(sum_of "$temporary")" &&
    sync "$temporary" "$run/receipt" && mv -f -- "$temporary" "$1"; } || { rm -f -- "$temporary"; return 1; }
  sync "$dir"
}

holds() { # PATH MODE CONTENT: the file is there, with that content and mode
  [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %04a "$1")" = "$2" ] || return
  printf '%s' "$3" | cmp -s -- - "$1"
}

# --- one run at a time: $state/live names it, below the lock of $state/mutex ----------------------
# The line is: RUN PID START-TIME BOOT-ID WISH SINCE WHO. A process is known by pid, start time
# and boot: a line of a run that died, or of an earlier boot, counts for nothing. WISH is a digest of
# what was asked for: the same command joins the run, whatever its plan would be in the middle of it.

# started_of PID: in ticks since the boot, proc(5); no process is started for it, as a watch asks often.
started_of() {
  stat='' && { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null
  # shellcheck disable=SC2086  # words on purpose: numbers, behind the name
  set -- ${stat##*) }
  printf '%s\n' "${20-}"
}

boot_id() { IFS= read -r this_boot </proc/sys/kernel/random/boot_id && printf '%s\n' "$this_boot"; }

somebody_runs() { # true, with live_run and the rest set, while a run is under way
  read -r live_run live_pid live_started live_boot live_wish live_since live_who 2>/dev/null <"$state/live" &&
    [ "$live_boot" = "$(boot_id)" ] && [ "$(started_of "$live_pid")" = "$live_started" ]
}

who_runs() { printf '%s since %s, started by %s' "$live_run" "$(date -d "@$live_since" '+%H:%M:%S' 2>/dev/null)" "$live_who"; }

announce() { # RUN PID START-TIME WISH WHO
  printf '%s\n' "$1 $2 $3 $(boot_id) $4 $(date +%s) $5" >"$state/live"
}

# --- locks: who holds apt's and dpkg's locks; a holder is waited for and never ended -------------

apt_locks="/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock"

# Prints "LOCK PID SECONDS COMMAND" of the first lock that is held. The locks are fcntl locks, so
# /proc/locks has them by inode; the holder is confirmed by its open file (inodes repeat between
# file systems). A first boot counts as a holder: cloud-init writes sources and installs packages.
lock_holder() {
  unseen=$(unseen_holder) || { first_boot; return; }
  for lock in $apt_locks; do
    inode=$(stat -c %i "$lock" 2>/dev/null) || continue
    while read -r _ kind _ mode pid device _; do
      [ "$kind" = POSIX ] && [ "$mode" = WRITE ] && [ "${device##*:}" = "$inode" ] || continue
      held=
      for link in /proc/"$pid"/fd/*; do
        [ "$(readlink "$link" 2>/dev/null)" != "$lock" ] || held=1
      done
      [ -n "$held" ] || continue
      ticks=$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
      now
      age=$((${uptime%%.*} - ${ticks:-0} / $(getconf CLK_TCK 2>/dev/null || echo 100)))
      printf '%s %s %s %s\n' "$lock" "$pid" "$age" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 120)"
      return 0
    done </proc/locks
  done
  printf '%s\n' "$unseen"
}

# unseen_holder: the kernel tells of any holder where it is asked for the locks, also of one outside our
# pid namespace, which is not in our /proc/locks. perl-base is Essential.
unseen_holder() {
  # shellcheck disable=SC2016,SC2086  # perl's variables; a list of paths
  lock=$(perl -e 'use Fcntl; for (@ARGV) { open(my $f, "+<", $_) or next; my $b = pack("s s x96", F_WRLCK, 0);
    if (fcntl($f, F_GETLK, $b) and unpack("s", $b) != F_UNLCK) { print; last } }' $apt_locks 2>/dev/null) || return
  [ -n "$lock" ] || return
  printf '%s 0 0 a process that cannot be seen from here\n' "$lock"
}

# first_boot: cloud-init has begun, has no result yet, and systemd is at it. Not where it is cloud-init
# that runs us: it would be waited for by what it waits for itself.
first_boot() {
  ! grep -q '/cloud-[a-z-]*\.service' /proc/self/cgroup 2>/dev/null || return
  [ -e /run/cloud-init/status.json ] && [ ! -e /run/cloud-init/result.json ] &&
    systemctl list-jobs --no-legend 2>/dev/null | grep -q ' cloud-' || return
  now
  pid=$(systemctl show -P MainPID cloud-init.service cloud-config.service cloud-final.service | awk '$1 { pid = $1 } END { print pid + 0 }')
  printf '/run/cloud-init/status.json %s %s cloud-init, on the first boot\n' "$pid" "${uptime%%.*}"
}

# wait_for_locks STEP: until nobody holds one; gives up with 10 after $lock_timeout seconds.
wait_for_locks() {
  waited=0
  while holder=$(lock_holder); do
    [ "$waited" -lt "$((lock_timeout * 2))" ] ||
      stop "$([ "$committed" = 0 ] && echo 10 || echo 6)" "$1" "another program still holds ${holder%% *}" "lock: ${holder#* }"
    [ $((waited % 10)) != 0 ] || record_text wait "$1" "$holder"
    asked_to_stop "$1"
    sleep 0.5
    waited=$((waited + 1))
  done
}

# locked_out: apt gave up on a lock that was taken between our look and its start. It may be free
# again by now, so apt's own words count; ten times at most in a run.
locked_out() {
  lockouts=$((${lockouts:-0} + 1))
  [ "$lockouts" -le 10 ] && grep -qE 'Could not get lock|Unable to acquire the dpkg|Unable to lock' "$out"
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

# --- apt in private: lists, archives, sources and keys of our own below $private ----------------
# $private is 0755 with a 0711 way to it: apt drops to the user _apt to fetch, and must get there. It is $work, too, but where
# a program has taken over what its probe left in /run.

# private_apt ARGUMENT...: apt-get, or $tool, that sees the host's installed packages, our copies of its
# sources, and ours. All of Dir::State::lists, Dir::Cache and Dir::Log are named: else caches of
# apt land in /var. The last options undo what a host's apt.conf may have loosened.
private_apt() {
  through_proxy "${tool:-apt-get}" -q -o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts="$private/${parts:-sources.d}" \
    -o Dir::State::lists="$private/lists" -o Dir::Cache="$private/cache" \
    -o Dir::Cache::archives="$work/archives" -o Dir::Log="$private/log" \
    -o Acquire::Retries=3 -o Acquire::Languages=none \
    -o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false \
    -o Acquire::AllowWeakRepositories=false -o Acquire::AllowDowngradeToInsecureRepositories=false \
    -o APT::Get::Assume-Yes=true -o APT::Install-Recommends=false -o APT::Install-Suggests=false \
    -o APT::Get::Always-Include-Phased-Updates=true \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@"
}

# workplace: $work, where apt's archives and temporary files are.
workplace() {
  umask 022
  place=$private_root/apt
  if [ -n "${scratch-}" ]; then
    place=/run/dockwright-apt
    # Lists and caches of all of Ubuntu: a small machine's /run has less.
    has_room /run 300 || place=/var/tmp/dockwright-apt
  fi
  work=$(mktemp -d "$place.XXXXXX") || return
  # apt's verifier and maintainer scripts write temporary files: the host's /tmp may be full, or noexec.
  mkdir -p "$work/archives/partial" "$work/tmp" && chmod 1777 "$work/tmp" && chmod 0755 "$work" || return
  chown _apt "$work/archives/partial" 2>/dev/null || :
  TMPDIR=$work/tmp
  export TMPDIR
}

# prepare_private: copies of the host's sources, without those that ours replace or edit ($replaced).
prepare_private() {
  workplace && private=$work && (cd "$private" && mkdir -p lists/partial cache sources.d trial.d keys log) || return
  chown _apt "$private/lists/partial" 2>/dev/null || :
  : >"$private/sources.list"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    case " $replaced " in *" $file "*) continue ;; esac
    cp -- "$file" "$private/sources.d/host-${file##*/}" || return
  done
}

has_room() { # DIRECTORY MEBIBYTES
  # shellcheck disable=SC2046  # two numbers: free blocks, and their size
  set -- "$2" $(stat -f -c '%a %S' "$1")
  [ $(($2 * $3 / 1048576)) -ge "$1" ]
}

# stand_in PATH TEXT: a source of the host's as it will read once our entries are taken out of it.
stand_in() { printf '%s' "$2" >"$private/sources.d/host-${1##*/}"; }

# add_repository ID KEY-PATH KEY SOURCE: ours, signed by the private copy of its key.
add_repository() {
  printf '%s' "$3" >"$private/keys/$1.asc" || return
  for place in "trial.d/$1" "sources.d/zz-$1"; do
    printf '%s' "${4%%"Signed-By: $2"*}Signed-By: $private/keys/$1.asc${4#*"Signed-By: $2"}" >"$private/$place.sources" || return
  done
}

# link_foreign: the host's own lists, as they are. Lists of ours are never taken over: an old signed
# index on the host must not pass for today's.
link_foreign() {
  set --
  for file in /var/lib/apt/lists/*; do
    case ${file##*/} in lock|partial|auxfiles) continue ;; esac
    [ -f "$file" ] || continue
    ours=
    for site in $sites; do
      case ${file##*/} in "$site"*) ours=1 ;; esac
    done
    [ -n "$ours" ] || set -- "$@" "$file"
  done
  [ $# = 0 ] || ln -s -- "$@" "$private/lists/"
}

# private_lists OPTION...: apt-get update, without the cache that it would build of what it knows by then: of a whole
# distribution that takes seconds, and who asks of packages builds the one that is needed.
private_lists() { private_apt -o APT::Get::List-Cleanup=0 -o pkgCacheFile::Generate=false "$@" update; }

# private_update STEP: our repositories must verify; the host's own lists are taken as they are.
# A broken foreign source is thus no failure of ours. Without Error-Mode=any apt-get update ends
# with 0 although a signature is wrong, and goes on with the old lists.
private_update() {
  link_foreign
  # Where packages only go, no index is asked: that works without a network, too.
  if [ -z "$sites" ] && only_removals; then return; fi
  if [ -n "$lacking" ] && [ "$(age_of_lists)" != fresh ]; then begin_foreign; fi
  if ! parts=trial.d private_lists -o APT::Update::Error-Mode=any >"$out" 2>&1; then
    update_failed "$1"
  fi
}

# age_of_lists: "none", as on a fresh cloud image; "fresh" where one is of the last day; else "old".
age_of_lists() {
  for list in /var/lib/apt/lists/*_Packages*; do
    [ -e "$list" ] || { echo none; return; }
    break
  done
  if lists_are_old; then echo old; else echo fresh; fi
}

# lists_are_old: none that is of the last day.
lists_are_old() { [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; }

# where_from: apt's lines of what it would fetch, into $private/uris; with the sums that it checks by, not MD5 as of old.
where_from() {
  # shellcheck disable=SC2086  # words on purpose
  private_apt -o Acquire::ForceHash=SHA256 --print-uris $apt_flags install $wanted >"$private/uris" 2>/dev/null
}

# fetches_foreign: whether apt would fetch a package from elsewhere than from $sites.
fetches_foreign() {
  set -- -e '^$'
  for site in $sites; do set -- "$@" -e "^$site"; done
  sed -n "s|^'[a-z+]*:/*||p" "$private/uris" | tr / _ | grep -qv "$@"
}

only_removals() { # true where all that is wanted of apt is NAME-
  for word in $wanted; do
    case $word in *-) ;; *) return 1 ;; esac
  done
}

# begin_foreign: the host's own sources, in private, while ours are updated: other files, and no lock is needed.
begin_foreign() {
  mkdir -p "$private/foreign.d" && cp -- "$private"/sources.d/host-* "$private/foreign.d/"
  { parts=foreign.d private_lists -o Debug::NoLocking=true || : >"$private/broken"; } >"$private/foreign.said" 2>&1 3>&- 4>&- &
  foreign=$!
}

update_foreign() { # STEP: until they are there; one that is broken is only noted
  [ -n "${foreign-}" ] || begin_foreign
  wait "$foreign"
  foreign=
  cat "$private/foreign.said" >>"$out"
  note_broken "$1"
}

note_broken() { # STEP
  [ ! -e "$private/broken" ] || record_text note "$1" "some of the host's own sources could not be updated"
}

update_failed() { # STEP: what apt said, as one of ours
  said_by_apt=$(cat "$out")
  stop_at_proxy "$1" "$said_by_apt"
  case $said_by_apt in
    *"Could not resolve"*|*"Temporary failure resolving"*|*"Something wicked happened resolving"*)
      stop 5 "$1" "the host cannot fetch the repository's index" "DNS: the host does not resolve the repository's name; look at /etc/resolv.conf" ;;
    *NOSPLIT*|*"network require authentication"*)
      stop 5 "$1" "the host cannot fetch the repository's index" "something else answers in the repository's place: a captive portal, where somebody must log in to the network first?" ;;
    *NO_PUBKEY*|*"not signed"*|*BADSIG*|*EXPKEYSIG*|*REVKEYSIG*|*"Missing key"*|*"ignature"*|*"certificate"*|*"not valid yet"*|*"expired"*|*"Hash Sum mismatch"*)
      stop 4 "$1" "apt on the host does not trust the repository" ;;
    *"does not have a Release file"*|*" 404 "*) stop 3 "$1" "the repository has no such suite" ;;
    *) stop 5 "$1" "the host cannot fetch the repository's index" ;;
  esac
}

# simulate: prints apt's Inst and Remv lines and what apt says of room.
simulate() {
  # shellcheck disable=SC2086  # words on purpose: NAME=VERSION and NAME- have no blanks
  private_apt -s $apt_flags install $wanted
}

# simulate_fresh STEP [TELLING]: the simulation; with TELLING, $private/uris is there, too. Where all that ours depend on is
# installed, no list of a distribution is read: that takes a second, each time, and most servers have it all. The
# host's own lists are updated only where it fails without, or where a package comes from them and
# they are old: what they name may be gone by now. It takes a minute where the way to the archive is slow.
simulate_fresh() {
  lists=$(age_of_lists) tried=
  if [ -n "${foreign-}" ]; then
    lists=none tried=1
  elif [ -z "$removals" ] && [ -n "$sites" ]; then
    parts=trial.d tried=1
    if ask_apt alone "${2-}"; then
      parts=
      rm -f -- "$private"/sources.d/host-*
      cat "$private/simulation"
      return
    fi
    parts=
  fi
  if [ "$lists$tried" != none1 ] && ask_apt "$lists" "${2-}" && { [ "$lists" != old ] || ! fetches_foreign; }; then
    cat "$private/simulation"
    return
  fi
  if ! only_removals; then
    update_foreign "$1" >&2
    ask_apt fresh "${2-}" && { cat "$private/simulation"; return; }
  fi
  cat "$private/simulation" >>"$out"
  stop 3 "$1" "apt cannot make this plan"
}

# ask_apt LISTS [TELLING]: what it would do, and what it would fetch where that matters: both at once, over one cache, which
# takes longest where it is of a whole distribution.
ask_apt() {
  asked=
  if [ -n "$2" ] || [ "$1" = old ]; then
    [ "$1" != fresh ] || tool=apt-cache private_apt gencaches >/dev/null 2>&1
    where_from &
    asked=$!
  fi
  simulate >"$private/simulation" 2>"$out"
  said=$?
  [ -z "$asked" ] || wait "$asked"
  return "$said"
}

plan_of() { # the simulation as sorted lines: I NAME VERSION, R NAME
  awk '$1 == "Inst" { name = $2; sub(/:.*/, "", name); v = $0; sub(/^[^(]*\(/, "", v); sub(/ .*/, "", v); print "I", name, v }
    $1 == "Remv" { name = $2; sub(/:.*/, "", name); print "R", name }' | sort
}

progress_of() { # STEP: apt's status lines (apt-get(8), APT::Status-Fd) as records
  while IFS=: read -r kind what percent text; do
    case $kind in
      dlstatus|pmstatus)
        case $percent in *[!0-9.]*|'') percent=${text%%:*} text=${text#*:} ;; esac
        [ "${percent%%.*}" = "${shown-}" ] || record progress "$1" "$percent $what $text"
        shown=${percent%%.*} ;;
    esac
  done
}

# --- the one apt transaction ---------------------------------------------------------------------

# preflight STEP: sources, signatures and simulation in private; nothing else of the host changes.
preflight() {
  asked_to_stop "$1"
  record begin "$1" "trial update and simulation"
  if take_over >"$out" 2>&1; then
    note_broken "$1"
  else
    prepare_private >"$out" 2>&1 || stop 3 "$1" "no room for private apt directories in $private_root"
    add_repositories >"$out" 2>&1 || stop 3 "$1" "no room for private apt directories in $private_root"
    private_update "$1"
    simulate_fresh "$1" >"$private/simulated"
  fi
  plan_of <"$private/simulated" >"$work/got"
  printf '%s' "$transaction" | sort >"$work/want"
  if ! cmp -s "$work/got" "$work/want"; then
    diff "$work/want" "$work/got" >"$out" 2>&1 || :
    stop 3 "$1" "apt would not do what was planned; the host or the repository changed since: plan again"
  fi
  record passed "$1" "apt's simulation is the plan"
}

# claim_kept PROBE: what the probe kept is this run's from its first moment, and goes with it.
claim_kept() {
  claim=/run/dockwright-probed.${1:-none}.taken
  # It is whose who renames it. A line without its end names nothing for sure, and what it names is deleted.
  [ ! -e "${claim%.taken}" ] || { mv -- "${claim%.taken}" "$claim" && read -r claimed fetched <"$claim"; } || claimed='' fetched=''
} 2>/dev/null

# take_over: the lists that the probe verified a moment ago, and what apt said of them. What they say is judged again,
# here and by the hook. /run is small and noexec: archives and temporary files are ours.
take_over() {
  [ -n "${claimed-}" ] && [ -s "$claimed/simulated" ] && workplace && private=$claimed || return
  [ -z "$fetched" ] || { mv "$work/archives" "$work/unused" && ln -s -- "$fetched" "$work/archives"; }
}

# fetched_ahead STEP: whether the download that the probe began came to a good end; what it tells is told. Who fetches
# holds the lock, and lets go of it however he ends.
fetched_ahead() {
  [ -n "${fetched-}" ] || return
  until flock -s -w 0.3 -E 111 "$private/fetching" true; do
    [ $? = 111 ] || return # it is still held
    line=$(tail -n 1 "$private/progress")
    [ "$line" = "${last_line-}" ] || printf '%s\n' "$line" | progress_of "$1"
    last_line=$line
    asked_to_stop "$1"
  done
  read -r rc words <"$private/fetched" && [ "$rc $words" = "0 $wanted" ]
}

# download STEP: everything, before anything is removed; and what goes, while the archive has it.
download() {
  asked_to_stop "$1"
  record begin "$1" "download"
  ask_nothing
  # Lists and archives are ours alone and dpkg is not run: nobody who holds a lock is in the way.
  # shellcheck disable=SC2086
  if ! fetched_ahead "$1" && ! with_progress "$1" private_apt $apt_flags -o Debug::NoLocking=true --download-only install $wanted; then
    ! grep -qE 'Hash Sum mismatch|unexpected size|could not be authenticated' "$out" ||
      stop 4 "$1" "a package is not what the signed index says"
    stop_at_proxy "$1" "$(cat "$out")"
    stop 5 "$1" "a package could not be downloaded"
  fi
  for package in $removals; do
    case " ${lost-} " in *" $package "*) continue ;; esac # copied from what is installed
    version=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null) || continue
    if ! keep_archive "$package=$version" >>"$out" 2>&1; then
      record_text note "$1" "the archive no longer has $package $version: it cannot be kept for a way back"
    fi
  done
  [ -z "$removals" ] || no_clash "$1"
  record passed "$1" "$(count_of "$work"/archives/*.deb) packages"
}

count_of() { echo $#; }

keep_archive() { # NAME=VERSION: fetched as apt's own user, then root's alone
  mkdir -p "$work/kept" "$state/debs" && chown _apt "$work/kept" &&
    (cd "$work/kept" && private_apt download "$1") &&
    chown root:root "$work"/kept/*.deb && mv -f "$work"/kept/*.deb "$state/debs/"
}

# no_clash STEP: no file of a new package belongs to a package that stays. apt's simulation does not
# see this; dpkg would stop in the middle, with the old runtime gone. Paths are compared as /usr
# merged has them; a package that is replaced, or declares Replaces, may lose its files.
no_clash() {
  # Of a package that was removed only conffiles are left in its list; dpkg lets others take them.
  removed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | awk '$1 == "config-files" { printf " %s", $2 }')
  for archive in "$work"/archives/*.deb; do
    package=$(dpkg-deb -f "$archive" Package)
    replaces=$(dpkg-deb -f "$archive" Replaces | sed 's/([^)]*)//g' | tr -s ', \n' ' ')
    dpkg-deb --fsys-tarfile "$archive" | tar -tf - | sed -n 's|^\./||; /\/$/!p' |
      awk -v package="$package" -v free="$package $removals $replaces $(plan_names)$removed" '
        function merged(path) { sub(/^\/usr/, "", path); return path }
        BEGIN { count = split(free, words, " "); for (i = 1; i <= count; i++) allowed[words[i]] = 1 }
        FILENAME == "-" { ours[merged("/" $0)] = 1; next }
        FNR == 1 { owner = FILENAME; sub(/.*\//, "", owner); sub(/\.list$/, "", owner); sub(/:.*/, "", owner) }
        !(owner in allowed) && (merged($0) in ours) { print package, owner, $0; exit }
      ' - /var/lib/dpkg/info/*.list
  done >"$work/clashes" 2>>"$out"
  if read -r package owner path <"$work/clashes"; then
    : >"$out"
    stop 3 "$1" "$package would overwrite $path of $owner, which stays" "file clash: apt would stop with the old runtime gone; remove $owner first, if it is not needed"
  fi
}

plan_names() {
  while read -r _ name _; do printf '%s ' "$name"; done <<NAMES
$transaction
NAMES
}

# with_progress STEP COMMAND...: its apt status stream as records, its output to $out, its status.
with_progress() {
  id=$1
  shift
  {
    "$@" -o APT::Status-Fd=9 9>&1 >>"$out" 2>&1
    echo $? >"$run/status"
  } | progress_of "$id"
  [ "$(cat "$run/status")" = 0 ]
}

version_of() { # PACKAGE: the installed version, or "absent"
  case $(dpkg-query -W -f='${db:Status-Status} ${Version}' "$1" 2>/dev/null) in
    "installed "*) dpkg-query -W -f='${Version}' "$1" ;;
    *) printf absent ;;
  esac
}

plan_versions() { # lines of the transaction: NAME HAVE WANTED, each a version or "absent"
  # shellcheck disable=SC2046  # a list of names
  {
    printf '%s' "$transaction"
    echo --
    dpkg-query -W -f='${Package} ${db:Status-Status} ${Version}\n' $(plan_names) 2>/dev/null
  } | awk '
    $0 == "--" { asked = 1; next }
    !asked { name[++count] = $2; want[$2] = $1 == "I" ? $3 : "absent"; next }
    $2 == "installed" { have[$1] = $3 }
    END { for (i = 1; i <= count; i++) print name[i], (name[i] in have ? have[name[i]] : "absent"), want[name[i]] }'
}

transaction_done() { # every package is as the transaction says
  plan_versions | awk '$2 != $3 { bad = 1 } END { exit bad }'
}

also_enabled() { # UNIT: unless somebody chose otherwise, which the one file finds out ($chosen_off)
  case " ${chosen_off-} " in *" $1 "*) return 0 ;; esac
  [ "$(systemctl is-enabled "$1" 2>/dev/null)" != disabled ]
}

# ask_nothing: dpkg-preconfigure(8) gathers questions of debconf's ahead, and nothing is asked here. Where apt has a hook
# beside it (apt-listchanges, say), all stay; an apt.conf(5) alone can take one away.
ask_nothing() {
  [ "$(apt-config dump 2>/dev/null | grep '^DPkg::Pre-Install-Pkgs::')" = 'DPkg::Pre-Install-Pkgs:: "/usr/sbin/dpkg-preconfigure --apt || true";' ] || return 0
  echo '#clear DPkg::Pre-Install-Pkgs;' >"$work/apt.conf"
}

write_guard() {
  cat >"$work/guard" <<'GUARD'
#!/bin/sh
# apt gives all that it is about to do (DPkg::Pre-Install-Pkgs, version 3): the plan, or nothing.
dir=${0%/*}
awk 'body { if ($NF == "**REMOVE**") print "R", $1; else if ($NF != "**CONFIGURE**") print "I", $1, $6 } /^$/ { body = 1 }' |
  sort >"$dir/guarded"
cmp -s "$dir/guarded" "$dir/want" && exit 0
echo "dockwright: this is not the plan; nothing was done" >&2
diff "$dir/want" "$dir/guarded" >&2
exit 1
GUARD
  chmod 0755 "$work/guard"
}

# held_ones: packages of the transaction that are installed and held. apt lets go of a hold where it is
# allowed to change such a package; who asked for the hold meant more than this once.
held_ones() {
  # shellcheck disable=SC2046  # a list of names
  dpkg-query -W -f='${db:Status-Want} ${db:Status-Status} ${Package}\n' $(plan_names) 2>/dev/null |
    awk '$1 == "hold" && $2 == "installed" { printf "%s ", $3 }'
}

hold_again() { # NAME...: those that are still there
  # shellcheck disable=SC2046  # a list of names
  set -- $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p')
  [ $# = 0 ] || apt-mark hold "$@"
}

# automatic_ones: packages that go and that apt had brought by itself; what comes back is marked so again.
automatic_ones() {
  [ "$going" -gt 0 ] || return 0
  names=$(printf '%s' "$transaction" | sed -n 's/^R //p')
  # shellcheck disable=SC2086  # a list of names
  [ -z "$names" ] || apt-mark showauto $names 2>/dev/null | tr '\n' ' '
}

transact() {
  write_guard || return
  settings=$work/apt.conf
  [ -e "$settings" ] || settings=
  count_changes
  were_held=$(held_ones) were_automatic=$(automatic_ones)
  [ -n "${disabled_snap-}" ] || : >"$run/running"
  [ -z "$removals" ] || timeout 20 docker ps -q --no-trunc >>"$run/running" 2>/dev/null
  plan_versions | while read -r package before after; do receipt "package $package $before $after"; done
  [ -z "$were_automatic" ] || receipt "auto $were_automatic"
  receipt "asked $wanted"
  # shellcheck disable=SC2086
  if with_progress "$step_id" private_apt ${settings:+-c="$settings"} $apt_flags --no-download -o Dir::Log=/var/log/apt \
      -o "DPkg::Pre-Install-Pkgs::=$work/guard" -o "DPkg::Tools::Options::$work/guard::Version=3" \
      install $wanted; then
    # shellcheck disable=SC2086  # a list of names
    [ -z "$were_held" ] || hold_again $were_held >>"$out" 2>&1 || return
    forget_removed >>"$out" 2>&1
    case ${playbook-} in uninstall|purge) name_spare ;; esac
    # Meanwhile: of a hundred megabytes it takes a moment, and the checks that come next wait for others.
    rm -f -- "$work"/archives/*.deb &
    say "$coming packages in, $going out"
    return 0
  fi
  if grep -q 'dockwright: this is not the plan' "$out"; then
    restore_files
    committed=0
    exit_code=3 cause="apt was about to do something else than the plan; the hook stopped it"
  elif locked_out && ! grep -q '^Setting up\|^Unpacking\|^Removing' "$out"; then
    wait_for_locks "$step_id"
    transact
    return
  elif [ -n "$removals${disabled_snap-}" ]; then
    put_back
  elif [ -n "$(dpkg --audit 2>/dev/null)" ]; then
    dpkg --audit
    exit_code=6 cause="a package is half installed; after its cause is mended the same command goes on"
  fi
  return 1
}

count_changes() { # of the transaction, into $coming and $going
  coming=0 going=0
  while read -r kind _; do
    case $kind in I) coming=$((coming + 1)) ;; R) going=$((going + 1)) ;; esac
  done <<LINES
$transaction
LINES
}

# name_spare: what apt-get autoremove would take by now. Nothing here does: it may be somebody's.
name_spare() {
  spares=$(private_apt -s autoremove 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' | tr '\n' ' ')
  [ -z "$spares" ] || record_text note "$step_id" "apt-get autoremove would take by now: ${spares}(nothing here does)"
}

# forget_removed: dpkg forgets a removed package that leaves nothing behind. Where it was killed before
# that last word of a removal of ours, the package stays listed, to be purged of nothing.
forget_removed() {
  for package in $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' | sed -n 's/^pc //p'); do
    [ ! -e "/var/lib/dpkg/info/$package.postrm" ] && [ -z "$(dpkg-query -W -f='${Conffiles}' "$package")" ] &&
      grep -qs "^package $package [^ ]* absent\$" "$state"/runs/*/receipt && dpkg --purge "$package"
  done
}

# put_back: the new set could not be installed and the old one is gone: the old one returns, from
# the archives that were kept. A host is never left without its runtime.
put_back() {
  failure=$(grep -E '^(E: |dpkg: |Job for )|rror' "$out" | head -n 3)
  back=
  for package in $removals; do
    for archive in "$state/debs/${package}"_*.deb; do
      [ -f "$archive" ] || continue
      back="$back $archive"
    done
  done
  new=$(printf '%s' "$transaction" | while read -r kind package _; do
    [ "$kind" = I ] && [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" != "" ] && grep -q "^package $package absent " "$run/receipt" &&
      case $(dpkg-query -W -f='${db:Status-Status}' "$package") in not-installed|config-files) ;; *) printf '%s- ' "$package" ;; esac
  done)
  restore_files
  # shellcheck disable=SC2086  # words on purpose
  if { [ -z "$removals" ] || [ -n "$back" ]; } && private_apt --allow-downgrades install $back $new >&4 2>&1 && old_runtime_answers >&4 2>&1; then
    # shellcheck disable=SC2086
    [ -z "${were_automatic-}" ] || apt-mark auto $were_automatic >&4 2>&1
    exit_code=6 cause="the new packages could not be installed; the old runtime is back and answers. ${failure}"
  else
    exit_code=7 cause="the new packages could not be installed and the old ones not put back: apt-get -f install; apt-get install ${back:-$removals}${disabled_snap:+; snap enable $disabled_snap}"
  fi
}

old_runtime_answers() {
  [ -z "${disabled_snap-}" ] || snap_back || return
  case " $removals " in *" docker.io "*|*" moby-engine "*|*" docker-engine "*) ;; *) return 0 ;; esac
  systemctl reset-failed docker.service docker.socket
  systemctl start docker.service
  timeout 30 docker version || return
  # What ran before runs again, where its own restart policy did not see to it.
  xargs -r docker start <"$run/running"
}

# restore_files: what this run wrote, back to what stood there.
restore_files() {
  [ -f "$run/receipt" ] || return 0
  sed -n '/^file /p' "$run/receipt" | while read -r _ path before backup; do
    if [ "$before" = absent ]; then rm -f -- "$path"; else cp -p -- "$backup" "$path"; fi
  done
}

# refresh: the host's own lists learn of our repositories, and of nothing else. What this run has verified in
# private a moment ago need not be fetched again.
refresh() {
  wait_for_locks "$step_id"
  if lists_moved; then
    refreshed=1
    return
  fi
  for file in $source_paths; do
    wait_for_locks "$step_id"
    until through_proxy apt-get -q -o Dir::Etc::sourcelist="$file" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
      -o APT::Update::Error-Mode=any -o Acquire::Retries=3 update; do
      locked_out || return
      wait_for_locks "$step_id"
    done
  done
  refreshed=1
}

# lists_moved: ours, as apt names and keeps them, beside the host's own; by way of partial/, so that none is there by half.
lists_moved() {
  [ -n "$sites" ] && [ -d "${private-}/lists" ] || return
  for site in $sites; do
    [ -n "$(find "$private/lists" -maxdepth 1 -name "$site*_Packages*" -size +0)" ] || return
  done
  partial=/var/lib/apt/lists/partial
  [ -d "$partial" ] || mkdir -p "$partial" || return
  for site in $sites; do
    cp -p -- "$private/lists/$site"* "$partial/" && mv -f -- "$partial/$site"* /var/lib/apt/lists/ || return
  done
}

# --- verify: what a broken rung most likely means ------------------------------------------------

verify() { # ID TITLE: a check that is run, not applied; it fails with 8
  asked_to_stop "$1"
  record begin "$1" "$2"
  : >"$out"
  cause=
  "apply_$1" >"$out" 2>&1 || stop "${exit_code:-8}" "$1" "${brief:-$2 failed}" "$cause"
  hear
  record verified "$1" "$heard"
}

# pull_once SECONDS IMAGE: docker pull, its output, with the digest, in $answer; pulled_goes undoes it. An image that is
# there only for the check goes again, also where a run was cut before it could.
pull_once() {
  checking=dockwright.check=look
  [ -z "${events-}" ] || checking=dockwright.check=run
  had=1
  [ ! -e "$state/pulled" ] || left_over=1 # an earlier run was cut
  docker image inspect "$2" >/dev/null 2>&1 || had=
  ! grep -qsxF -- "$2" "$state/pulled" || had=
  [ -n "$had" ] || [ -z "${events-}" ] || printf '%s\n' "$2" >>"$state/pulled"
  answer=$(timeout "$1" docker pull "$2" 2>&1) && return
  docker image inspect "$2" >/dev/null 2>&1 || pulled_is_gone "$2"
  return 1
}

# pulled_goes IMAGE: with the containers of runs that were cut ($left_over). One that was made and not started yet is
# not taken away by --rm, and keeps the image. The host's lock says that no other run's check is on; a
# look takes no lock, so the containers of looks are left alone.
pulled_goes() {
  [ -z "${events-}" ] || [ -z "${left_over-}" ] || for left in $(docker ps -aq --filter "label=$checking"); do docker rm -f "$left"; done
  [ -n "$had" ] || ! docker image rm "$1" || pulled_is_gone "$1"
} >/dev/null 2>&1

pulled_is_gone() { # IMAGE
  [ -e "$state/pulled" ] || return 0
  grep -vxF -- "$1" "$state/pulled" >"$state/.pulled"
  if [ -s "$state/.pulled" ]; then mv -f -- "$state/.pulled" "$state/pulled"; else rm -f -- "$state/.pulled" "$state/pulled"; fi
}

# registry_answers HOST: whether the daemon reaches it and trusts it: asked for an image that nobody
# has, a registry says so, or wants a login. What was said is in $answer.
registry_answers() {
  answer=$(timeout 60 docker pull -q "$1/dockwright/none:none" 2>&1) && return
  case $answer in
    *"manifest unknown"*|*"not found"*|*"name unknown"*|*denied*|*nauthorized*|*"no basic auth"*|*"authentication required"*) return 0 ;;
  esac
  return 1
}

# silent_mirror: where a mirror of the hub is not reached, that is the cause. dockerd passes over a dead
# one in silence, and its last word is about the hub, where that is not reached either.
silent_mirror() {
  case $cause in "registry unreachable"*) ;; *) return ;; esac
  for mirror in $(timeout 20 docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}' 2>/dev/null); do
    place=${mirror#*://} place=${place%/}
    registry_answers "$place" || { cause="mirror: $mirror does not serve this host ($(cause_of "$answer")), and neither does the hub"; return; }
  done
}

# run_once SECONDS WORD...: docker run, its output in $answer. Of a container that ends at once, dockerd
# now and then loses all output ("stream copy error: reading from a closed fifo" in its journal; moby
# 41378): where it ended well and said nothing, it is asked again.
run_once() {
  limit=$1
  shift
  for _ in 1 2 3; do
    answer=$(timeout "$limit" docker run --rm --label "$checking" "$@" 2>&1) || { rc=$? left_over=1; return "$rc"; }
    [ -z "$answer" ] || return 0
  done
  answer="the container ended with 0 and said nothing"
}

# cause_of TEXT: Docker's own words (they are not translated) to a cause.
cause_of() {
  case $1 in
    *toomanyrequests*|*"rate limit"*) echo "rate limit: the hub counts pulls of this address; log in, or use a mirror" ;;
    *"permission denied"*docker.sock*) echo "permission: this user may not talk to the daemon" ;;
    *"Cannot connect to the Docker daemon"*|*"docker.sock: connect"*) echo "daemon down: systemctl status docker; journalctl -u docker" ;;
    *cgroup*"read-only"*|*cgroup*"Read-only"*|*"mountpoint for cgroup"*) echo "cgroups read-only: containers cannot be made here (a container without delegation?)" ;;
    *"apply cgroup"*|*"create cgroup"*) echo "cgroups not made: they are read-only (a container without delegation?), or systemd did not get round to it; once more: dockwright verify" ;;
    *iptables*|*nftables*|*nf_tables*|*ip6tables*) echo "firewall tools: iptables or nftables is missing, or the kernel lacks its modules" ;;
    *apparmor*) echo "apparmor: the kernel has it and apparmor_parser is missing; install the package apparmor" ;;
    *"manifest verification failed"*|*"unexpected commit digest"*|*"ilesystem layer verification failed"*|*"does not match digest"*|*"does not match expected"*|*"digest mismatch"*)
      echo "not the pinned digest: the registry serves something else under it" ;;
    *"HTTP response to HTTPS client"*) echo "registry speaks plain http: 'insecure: true' lets the daemon do so" ;;
    *nauthorized*|*"no basic auth"*|*"authentication required"*|*"incorrect username or password"*)
      echo "login refused: user or password is wrong, or there is no login" ;;
    *"No space left"*|*"no space left"*) echo "disk full below the daemon's data root" ;;
    *"no such host"*|*"server misbehaving"*|*"Temporary failure in name resolution"*) echo "registry unreachable: its name does not resolve here" ;;
    *x509*|*certificate*) echo "registry not trusted: its TLS certificate is unknown here (a proxy that intercepts?)" ;;
    *"connection refused"*|*"i/o timeout"*|*"deadline exceeded"*|*"no route to host"*|*"network is unreachable"*|*"Client.Timeout"*|*EOF*)
      echo "registry unreachable: no answer from it" ;;
    *"manifest unknown"*|*"name unknown"*|*"not found"*|*"access denied"*) echo "no such image, or a login is needed" ;;
    *) echo "unknown: see the output" ;;
  esac
}

# why_down UNIT: what its journal says of why it does not start, as a cause; silent where that is nothing
# known. Where the running kernel's modules are gone, nothing that is missing can be loaded before a reboot.
why_down() {
  last=$(journalctl -q -u "$1" -n 60 -o cat --no-pager 2>/dev/null | grep -E 'failed to start daemon|unable to configure|level=(fatal|error)' | tail -n 1)
  why=$(cause_of "$last")
  case $why in "firewall tools"*|cgroups*|apparmor*|"disk full"*) ;; *) why='' ;; esac
  if [ ! -d "/lib/modules/$(uname -r)" ] && ls -d /lib/modules/*/ >/dev/null 2>&1; then
    why="the modules of the running kernel, $(uname -r), are gone: it was upgraded. Reboot, then run the same command"
  fi
  printf %s "$why"
}

# start_denied UNIT: whether the host's policy forbids that packages start it, by 101; deb-systemd-invoke(1p).
start_denied() {
  command -v policy-rc.d >/dev/null || return
  policy-rc.d "$1" start >/dev/null 2>&1
  [ $? = 101 ]
}

# --- this plan -----------------------------------------------------------------------------------

add_repositories() {
  :
}

# What the plan rests on must still be so.
guard() {
  os_id='' codename='' version_codename=''
  while IFS='=' read -r key value || [ -n "$key" ]; do
    value=${value#[\"\']} value=${value%[\"\']}
    case $key in
      ID) os_id=$value ;;
      UBUNTU_CODENAME) codename=$value ;;
      VERSION_CODENAME) version_codename=$value ;;
    esac
  done </etc/os-release
  codename=${codename:-$version_codename} architecture=${architecture:-$(dpkg --print-architecture)}
  [ "$os_id" = debian ] && [ "$codename" = trixie ] ||
    stop 3 guard "this host is $os_id $codename; "'the plan is for debian trixie'
  [ "$architecture" = amd64 ] ||
    stop 3 guard "this host is $architecture; "'the plan is for amd64'
  machine_id=''
  [ ! -r /etc/machine-id ] || read -r machine_id </etc/machine-id
  [ "$machine_id" = 57ad4a8173eb4a9297900ed8f0498c4f ] ||
    stop 3 guard "this is another machine than the plan was made for"
}

check_s01() { # install openssh-server
transaction_done
}
apply_s01() {
transact
}
check_s02() { # check that ssh runs
case $(systemctl is-enabled ssh.service 2>/dev/null) in enabled|static|alias|indirect|generated) ;; *) return 1 ;; esac
systemctl is-active -q ssh.service
}
apply_s02() {
receipt service ssh.service "$(systemctl is-enabled ssh.service 2>/dev/null)" "$(systemctl is-active ssh.service 2>/dev/null)"
systemctl enable -q ssh.service || return
if start_denied ssh.service; then
  brief="installed; start denied by policy" exit_code=8
  cause="/usr/sbin/policy-rc.d forbids to start it. Take that file away and run the same command, or: systemctl start "ssh.service
  return 1
fi
systemctl reset-failed ssh.service 2>/dev/null # systemd counts starts, and refuses after a few
systemctl start ssh.service || {
  rc=$?
  journalctl -u ssh.service -n 20 --no-pager 2>/dev/null
  why=$(why_down ssh.service)
  cause="the service does not start; ${why:-its journal is above}"
  return "$rc"
}
}
# --- begin ---------------------------------------------------------------------------------------

case ${1-} in
  --run) open_run "$2"; claim_kept "${3-}" ;;
  '') human=1; open_run "$(date +%Y-%m-%d)-$$" ;;
  *) echo "usage: sh $0" >&2; exit 2 ;;
esac
guard
preflight preflight
download download
wait_for_locks locks
guard # others may have been at it meanwhile
asked_to_stop commit
settle
record commit - ""
committed=1
step_id=s01
step s01 'install openssh-server'
step_id=s02
step s02 'check that ssh runs'
ended_well
finish 0
}
main "$@" </dev/null
