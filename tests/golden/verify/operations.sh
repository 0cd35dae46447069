#!/bin/sh
# Dockwright X.Y.Z: Proof that this Docker host runs containers
# For web1 (ubuntu noble, amd64). Run as root: sh FILE
#
# ? verify with hello-world: hello-world (client, daemon, pull and run are told apart)
# = verify the GPUs in containers: verify the GPUs in containers (the NVIDIA Container Toolkit is not installed)
# ? walk the manual's operations: hello-world (each operation of the manual is tried; nothing is left behind)
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
lock_timeout=600
committed=0
operator=pat@controller
playbook=verify
wanted=''
lacking=''
apt_flags=''
removals=''
replaced=''
sites=''
proxy=''
source_paths=''
transaction=''

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

# --- images and registries: pulled with their layers as progress, loaded, named, logged in to -----

unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG # root's own daemon and file are meant

image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# image_named IMAGE NAME...: the image is there, and has each of the names.
image_named() {
  now_id=$(image_id "$1") || return
  shift
  for name; do [ "$(image_id "$name")" = "$now_id" ] || return; done
}

# blame WHAT TEXT: what failed, its likely cause, and whether the daemon is well all the same.
blame() {
  brief=$1 cause=$(cause_of "$2")
  # What was served is not what was pinned: no repetition makes that well.
  case $cause in "not the pinned digest"*) exit_code=8 ;; esac
  ! timeout 20 docker version >/dev/null 2>&1 || brief="$brief; the daemon is healthy"
  return 1
}

# pull_image IMAGE: docker tells of each layer in a line of its own where there is no terminal.
pull_image() {
  record progress "$step_id" "0 pull $1"
  { timeout 7200 docker pull "$1" 2>&1; printf 'ended %s\n' "$?"; } | {
    all=0 ready=0
    while IFS= read -r line; do
      case $line in
        *": Pulling fs layer") all=$((all + 1)) ;;
        *": Already exists") all=$((all + 1)) ready=$((ready + 1)) ;;
        *": Pull complete") ready=$((ready + 1)) ;;
        "ended "*) [ "$line" = "ended 0" ]; exit ;;
        *) printf '%s\n' "$line"; continue ;;
      esac
      printf '%s\n' "$line"
      [ "$all" = 0 ] || record progress "$step_id" "$((ready * 100 / all)) pull $1, layer $ready of $all"
    done
    exit 1
  } >"$run/pull" && { cat "$run/pull"; return 0; }
  cat "$run/pull"
  # A mirror that is dead is passed over; the last word is then the hub's, which may be out of reach here.
  blame "$1 cannot be pulled" "$(cat "$run/pull")"
  case $1 in *.*/*|*:*/*|localhost/*) ;; *) silent_mirror ;; esac
  return 1
}

# load_image IMAGE TAR SHA256: what else is in the tar is ours, too, where it was not there before.
load_image() {
  if [ ! -f "$2" ]; then
    brief="$2 is not there" cause="archive: there is no such file on this host"
    return 1
  fi
  if [ -n "$3" ] && [ "$(sum_of "$2")" != "$3" ]; then
    brief="$2 is not the tar that was pinned" cause="not the pinned digest: its sha256 is $(sum_of "$2")" exit_code=8
    return 1
  fi
  record progress "$step_id" "0 load $2"
  every_name >"$run/names"
  if ! loaded=$(timeout 7200 docker load -q -i "$2" 2>&1); then
    printf '%s\n' "$loaded"
    blame "$2 cannot be loaded" "$loaded"
    return 1
  fi
  printf '%s\n' "$loaded"
  every_name | while read -r name; do
    grep -qxF -e "$name" "$run/names" || { receipt image "$name" absent && receipt got "$name" "$(image_id "$name")"; }
  done
  image_id "$1" >/dev/null && return
  brief="$2 has no image $1" cause="archive: it holds $(printf '%s' "$loaded" | sed -n 's/^Loaded image[^:]*: //p' | tr '\n' ' ')"
  return 1
}

every_name() { docker image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>' | sort -u; }

# name_image IMAGE NAME: the receipt has which image the name was for before.
name_image() {
  was=$(image_id "$2")
  receipt image "$2" "${was:-absent}" && docker tag "$1" "$2" && receipt got "$2" "$(image_id "$2")"
}

# --- logins; $registry_logins has HOST USER PASSWORD a line, the last two as base64 ----------------

# log_in HOST: the password goes to docker's standard input, and nowhere else.
log_in() {
  words=$(printf '%s\n' "${registry_logins-}" | while read -r host user password; do
    [ "$host" != "$1" ] || printf '%s %s' "$user" "$password"
  done)
  if [ -z "$words" ]; then
    brief="the login for $1 was not handed over" cause="apply it with dockwright and --registry-logins"
    return 1
  fi
  state_before=absent
  if logged_in "$1"; then state_before=other; elif [ ! -e "$docker_config" ]; then state_before=new; fi
  receipt login "$1" "$state_before" || return
  user=$(printf '%s' "${words%% *}" | base64 -d)
  if ! answer=$(printf '%s' "${words#* }" | base64 -d | timeout 120 docker login --username "$user" --password-stdin "$1" 2>&1); then
    answer=$(printf '%s\n' "$answer" | grep -v '^WARNING')
    printf '%s\n' "$answer"
    blame "no login at $1" "$answer"
    return 1
  fi
  receipt got-login "$1" && say "logged in as $user"
}

# --- logins: where docker keeps root's, and how they go again -------------------------------------

unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG # root's own daemon and file are meant

docker_config=/root/.docker/config.json

# logged_in HOST: docker's own file has a login for it; its key for the hub is an address.
logged_in() {
  key=$1
  [ "$1" != docker.io ] || key=https://index.docker.io/v1/
  grep -qsF -e "\"$key\"" "$docker_config"
}

# log_out HOST BEFORE: BEFORE is "new" where docker had no file before the login.
log_out() {
  case $1 in docker.io) docker logout ;; *) docker logout "$1" ;; esac || return
  # What docker leaves is an empty list.
  [ "$2" = new ] && [ "$(tr -d ' \t\n' <"$docker_config" 2>/dev/null)" = '{"auths":{}}' ] || return 0
  rm -f -- "$docker_config" && rmdir -- "${docker_config%/*}" 2>/dev/null || :
}

# --- operations: the manual's list, one by one, under names of our own; what was made goes again ---

# operations IMAGE REGISTRY LOGIN: IMAGE is pulled, REGISTRY (HOST or HOST/NAME, or nothing) is pushed to,
# LOGIN is its host where a login was handed over. What cannot be tried is told as a note.
operations() {
  mine=dockwright-operations-$$ tried='' untried='' pushed=''
  box=$run/operations
  (umask 077 && mkdir "$box" "$box/config") || return
  # Root's own logins serve here, too; a login that is tried does not replace one.
  [ ! -f /root/.docker/config.json ] || cp -p /root/.docker/config.json "$box/config/"
  DOCKER_CONFIG=$box/config docker_config=$box/config/config.json
  export DOCKER_CONFIG
  way_back=operations_gone
  walk "$@"
  walked=$?
  operations_gone
  way_back=
  unset DOCKER_CONFIG
  printf '%s\n' "$untried" | while IFS= read -r line; do
    [ -z "$line" ] || record_text note "$step_id" "not tried: $line"
  done
  [ "$walked" = 0 ] || return 1
  say "${tried#, }"
}

walk() {
  image=$1 count=0
  [ -n "$2" ] || untried="push, login, logout: no registry was given (--registry)"
  if answer=$(timeout 60 docker search --limit 1 hello-world 2>&1); then
    tried=", search"
  else
    untried="$untried
search: the hub does not offer it here ($(printf '%s' "$answer" | head -n 1 | cut -c1-120))"
  fi
  if [ -n "$3" ]; then
    log_in "$3" || return
    tried="$tried, login"
  elif [ -n "$2" ]; then
    untried="$untried
login, logout: no login for $2 was given (--registry-logins)"
  fi
  if ! pull_once 180 "$image"; then
    broken pull
    return 1
  fi
  pulled=1 tried="$tried, pull"
  operation images sh -c 'docker image ls -q "$1" | grep .' sh "$image" &&
    operation tag docker tag "$image" "$mine:1" || return
  if [ -n "$2" ]; then
    case $2 in */*) pushed=$2:dockwright ;; *) pushed=$2/dockwright-operations:dockwright ;; esac
    docker tag "$image" "$pushed" && operation push docker push -q "$pushed" || return
    record_text note "$step_id" "$pushed stays in the registry: docker takes nothing away there"
  fi
  operation save docker save -o "$box/tar" "$mine:1" &&
    operation load docker load -q -i "$box/tar" &&
    operation create docker create --name "$mine" --label dockwright.check=look "$mine:1" &&
    operation run docker run --rm --label dockwright.check=look "$mine:1" &&
    operation commit docker commit "$mine" "$mine:committed" &&
    printf 'FROM %s\nLABEL dockwright.check=look\n' "$mine:1" >"$box/Dockerfile" || return
  # The classic builder: buildkit would leave records in its cache.
  DOCKER_BUILDKIT=0 operation build docker build -q -t "$mine:built" -f "$box/Dockerfile" "$box/config" &&
    operation history docker history -q "$mine:built" &&
    operation inspect docker inspect "$mine" "$mine:built" &&
    operation rmi docker rmi "$mine:built" || return
  [ -z "$3" ] || operation logout docker logout "$3"
}

operation() { # NAME COMMAND...
  record progress "$step_id" "$((count * 100 / 14)) verify docker $1"
  name=$1 count=$((count + 1))
  shift
  answer=$(timeout 180 "$@" 2>&1) || { broken "$name"; return 1; }
  tried="$tried, $name"
}

broken() { # NAME: what was said is in $answer
  printf '%s\n' "$answer"
  blame "docker $1 does not work" "$answer"
}

operations_gone() {
  docker rm -f "$mine"
  docker image rm "$mine:built" "$mine:committed" "$mine:1"
  [ -z "$pushed" ] || docker image rm "$pushed"
  [ -z "${pulled-}" ] || pulled_goes "$image"
  rm -rf -- "$box"
} >/dev/null 2>&1

# --- this plan -----------------------------------------------------------------------------------

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
  [ "$os_id" = ubuntu ] && [ "$codename" = noble ] ||
    stop 3 guard "this host is $os_id $codename; "'the plan is for ubuntu noble'
  [ "$architecture" = amd64 ] ||
    stop 3 guard "this host is $architecture; "'the plan is for amd64'
  machine_id=''
  [ ! -r /etc/machine-id ] || read -r machine_id </etc/machine-id
  [ "$machine_id" = 1caeb09cfa4f4ac3b8c51e385f6964f4 ] ||
    stop 3 guard "this is another machine than the plan was made for"
}

check_s01() { # verify with hello-world
return 1
}
apply_s01() {
image=hello-world
unset DOCKER_HOST DOCKER_CONTEXT
if ! command -v docker >/dev/null; then
  brief="there is no docker client" cause="client: docker-ce-cli is not installed"
  return 1
fi
# Both at once: a client takes its time to start.
timeout 20 docker version --format '{{.Server.Version}}' >"$run/version" 2>&1 &
asked=$! came=
! pull_once 180 "$image" || came=1
wait "$asked" || asked=
version=$(cat "$run/version")
if [ -z "$asked" ]; then
  printf '%s\n' "$version"
  journalctl -u docker -n 20 --no-pager 2>/dev/null
  brief="the daemon does not answer" cause=$(cause_of "$version") why=$(why_down docker)
  case $cause in "daemon down"*) cause="daemon down: ${why:-${cause#daemon down: }}" ;; esac
  return 1
fi
record progress "$step_id" "25 verify daemon $version answers"
if [ -z "$came" ]; then
  printf '%s\n' "$answer"
  brief="$image cannot be pulled; the daemon is healthy" cause=$(cause_of "$answer")
  silent_mirror
  return 1
fi
digest=${answer#*Digest: }
digest=${digest%%[!a-z0-9:]*}
record progress "$step_id" "60 verify pulled $digest"
run_once 120 "$image"
rc=$?
pulled_goes "$image"
case $rc:$answer in
  0:*'Hello from Docker!'*) ;;
  *)
    printf '%s\n' "$answer"
    brief="a container does not run; daemon and pull are healthy" cause=$(cause_of "$answer")
    return 1 ;;
esac
say "daemon $version · pull $(printf '%s' "$digest" | cut -c1-19) · $image ran"
}
check_s03() { # walk the manual's operations
return 1
}
apply_s03() {
unset DOCKER_HOST DOCKER_CONTEXT
if ! answer=$(timeout 20 docker version 2>&1); then
  printf '%s\n' "$answer"
  brief="the daemon does not answer" cause=$(cause_of "$answer")
  return 1
fi
operations hello-world registry.example:5000/it registry.example:5000
}
# --- begin ---------------------------------------------------------------------------------------

open_scratch 2026-11-24-1f3a2b
registry_logins='registry.example:5000 cm9ib3Q= aXQncyBgYWAgJChzZWNyZXQp'
guard
step_id=s01
verify s01 'verify with hello-world'
step_id=s03
verify s03 'walk the manual'"'"'s operations'
finish 0
}
main "$@" </dev/null
