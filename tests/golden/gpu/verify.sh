#!/bin/sh
# Dockwright X.Y.Z: Proof that this Docker host runs containers
# For web1 (ubuntu noble, amd64). Run as root: sh FILE
#
# ? verify with hello-world: hello-world (client, daemon, pull and run are told apart)
# ? verify the GPUs in containers: ubuntu (nvidia-smi by --device, --gpus and --runtime=nvidia)
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

# --- gpu: NVIDIA's driver, the CDI specification, and what a broken rung most likely means ---------

module_version() { # of the loaded driver
  awk '/^NVRM/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+(\.[0-9]+)+$/) { print $i; exit } }' /proc/driver/nvidia/version 2>/dev/null
}

library_version() {
  for library in /usr/lib/*/libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.1; do
    [ -e "$library" ] || continue
    library=$(readlink -f "$library")
    printf '%s' "${library##*.so.}"
    return
  done
}

# cdi_fresh PATH: the specification names the files of the loaded driver, and every GPU of the host.
cdi_fresh() {
  driver=$(grep -o 'libnvidia-ml\.so\.[0-9]*\.[0-9.]*[0-9]' "$1" 2>/dev/null | head -n 1)
  [ -n "$driver" ] && [ "${driver##*.so.}" = "$(module_version)" ] || return
  wanted_devices=$(nvidia-smi -L 2>&1) || return
  # GPUs that are split count by their parts.
  wanted_devices=$(printf '%s\n' "$wanted_devices" | awk '
    /^GPU / { if (gpu) whole++; gpu = 1 }
    /^ *MIG / { parts++; gpu = 0 }
    END { print whole + gpu, parts + 0 }')
  named_devices=$(sed -n 's/^ *-\{0,1\} *name: *"\{0,1\}\([0-9:]*\)"\{0,1\} *$/\1/p' "$1" | awk '/:/ { parts++; next } /./ { whole++ } END { print whole + 0, parts + 0 }')
  [ "${named_devices% *}" -ge "${wanted_devices% *}" ] && [ "${named_devices#* }" = "${wanted_devices#* }" ]
}

cdi_renewed() { # the toolkit has units that make the specification anew
  [ "$(systemctl is-active nvidia-cdi-refresh.path 2>/dev/null)" = active ]
}

# make_spec PATH NEW: by the toolkit's own unit where that does it, else by nvidia-ctk. Where it is
# NEW, the packages of this run may have made it already: undo takes it away with them.
make_spec() {
  if [ -n "$2" ]; then receipt "file $1 absent -"; else keep "$1"; fi
  cdi_fresh "$1" || systemctl start nvidia-cdi-refresh.service 2>/dev/null
  if ! cdi_fresh "$1" && ! nvidia-ctk cdi generate --output="$1"; then
    answer=$(nvidia-smi -L 2>&1)
    printf '%s\n' "$answer"
    exit_code=8 cause=$(gpu_cause "$answer")
    return 1
  fi
  receipt "wrote $1 $(sum_of "$1")" && spec_made=1
}

# hook_seen: dockerd looks for NVIDIA's hook once, when it starts, and /run/docker.pid is as old as
# that. The toolkit's folder is as old as its first installation; where no birth is told, the hook's
# change is. uutils tells both in whole seconds: then the next one counts.
hook_seen() {
  since=$(stat -c %.9Y /run/docker.pid 2>/dev/null) || return 0 # it is elsewhere: trying will tell
  born=$(stat -c %.9W /usr/share/doc/nvidia-container-toolkit-base 2>/dev/null)
  case $born in [1-9]*) ;; *) born=$(stat -Lc %.9Z /usr/bin/nvidia-cdi-hook /usr/bin/nvidia-container-runtime-hook 2>/dev/null | head -n 1) ;; esac
  awk -v born="${born:-0}" -v since="$since" 'BEGIN { exit !(born + (born !~ /\./) < since + 0) }'
}

# gpu_cause TEXT: what nvidia-smi and docker say, to a cause.
gpu_cause() {
  case $1 in
    *"version mismatch"*) echo "driver: kernel module $(module_version), library $(library_version); reboot the host" ;;
    *"communicate with the NVIDIA driver"*) echo "driver: its kernel module is not loaded; modprobe nvidia tells why" ;;
    *'device driver "cdi"'*|*"CDI is not enabled"*) echo "CDI is off in dockerd: features.cdi in daemon.json, and a restart" ;;
    *"AMD CDI spec not found"*|*"could not select device driver"*)
      echo "dockerd started before the toolkit was there, and looks for it only then: systemctl restart docker" ;;
    *"nresolvable CDI devices"*|*"CDI device injection failed"*|*"unknown device"*)
      echo "CDI: no specification names the device; systemctl start nvidia-cdi-refresh, or: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml" ;;
    *"unknown or invalid runtime"*|*"Unknown runtime"*) echo "dockerd does not know the runtime: systemctl reload docker" ;;
    *"Unknown Error"*)
      if [ -e /dev/char/195:255 ]; then
        echo "device policy: the container may not open the GPU's nodes (any more)"
      else # systemd names the devices of a container by these links, and nvidia-modprobe makes none
        echo "device policy: systemd does not find the GPU's nodes in /dev/char; nvidia-ctk system create-dev-char-symlinks --create-all"
      fi ;;
    *"container has no /dev/nvidia-uvm"*)
      echo "CDI: the specification was made without /dev/nvidia-uvm; systemctl start nvidia-cdi-refresh, or: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml" ;;
    *nvidia-uvm*) echo "nodes: /dev/nvidia-uvm is missing; nvidia-modprobe -u -c=0" ;;
    *nvidia-smi*"not found"*|*nvidia-smi*"no such file"*) echo "CDI: the specification names no nvidia-smi, or another driver's; make it anew" ;;
    *"No devices were found"*) echo "the container got no GPU" ;;
    *) cause_of "$1" ;;
  esac
}

# gpu_rung PERCENT NAME OPTION...: a container started so has exactly the host's GPUs ($listing), and the
# node that CUDA needs beside them.
gpu_rung() {
  percent=$1 name=$2
  shift 2
  if ! run_once 120 --network none "$@" "$image" sh -c 'nvidia-smi -L && { [ -e /dev/nvidia-uvm ] || { echo "the container has no /dev/nvidia-uvm"; exit 1; }; }'; then
    printf 'host:\n%s\ncontainer:\n%s\n' "$listing" "$answer"
    ! command -v nvidia-container-cli >/dev/null 2>&1 || timeout 20 nvidia-container-cli info 2>&1 | head -n 20
    brief="no GPU by $name; nvidia-smi works on the host" cause=$(gpu_cause "$answer")
    return 1
  fi
  if [ "$(printf '%s\n' "$answer" | sort)" != "$(printf '%s\n' "$listing" | sort)" ]; then
    printf 'host:\n%s\ncontainer:\n%s\n' "$listing" "$answer"
    brief="by $name a container has other GPUs than the host" cause="CDI: the specification is old, or the image sets NVIDIA_VISIBLE_DEVICES"
    return 1
  fi
  record progress "$step_id" "$percent verify $name"
}

# cuda_cause TEXT: what a program of CUDA's says that finds no GPU to compute on.
cuda_cause() {
  case $1 in
    *"driver version is insufficient"*|*"unsupported toolchain"*|*"forward compatibility"*)
      echo "CUDA: the image's is newer than driver $(module_version) can run; an older tag in gpu_deep_image, or a newer driver" ;;
    *"no kernel image is available"*) echo "CUDA: the image is built for other generations of GPUs; another tag in gpu_deep_image" ;;
    *"no CUDA-capable device"*|*"initialization error"*|*"unknown error"*)
      echo "CUDA finds no device: MIG is on without an instance (nvidia-smi mig -lgi), NVSwitch hosts need nvidia-fabricmanager, or /dev/nvidia-uvm does not open" ;;
    *"system not yet initialized"*) echo "CUDA: this host has NVSwitches; systemctl start nvidia-fabricmanager" ;;
    *"out of memory"*) echo "CUDA: the GPU's memory is taken; nvidia-smi shows by whom" ;;
    *"busy or unavailable"*) echo "CUDA: the GPU is taken by one process alone; nvidia-smi -q -d COMPUTE" ;;
    *) gpu_cause "$1" ;;
  esac
}

# gpu_computes IMAGE: its own command computes on the GPUs. That nvidia-smi lists them proves less.
gpu_computes() {
  if ! pull_once 1800 "$1"; then
    printf '%s\n' "$answer"
    brief="$1 cannot be pulled; nvidia-smi works in containers" cause=$(cause_of "$answer")
    return 1
  fi
  if run_once 300 --network none --device nvidia.com/gpu=all "$1"; then rc=0; else rc=1; fi
  pulled_goes "$1"
  [ "$rc" != 0 ] || { record progress "$step_id" "95 verify CUDA computes"; return 0; }
  printf '%s\n' "$answer"
  brief="CUDA does not compute in a container; nvidia-smi works there" cause=$(cuda_cause "$answer")
  return 1
}

# gpu_after_reload: systemd puts device policies back when it is reloaded; what came by CDI has to
# be part of them. Other containers are not put at risk for that.
gpu_after_reload() {
  after=''
  if [ -n "$(docker ps -q)" ]; then
    after=' · not tried after daemon-reload: other containers run'
    return 0
  fi
  two=''
  one=$(docker run -d --label "$checking" --network none --device nvidia.com/gpu=all "$image" sleep 120) &&
    { [ -z "$gpus_flag" ] || two=$(docker run -d --label "$checking" --network none --gpus all "$image" sleep 120); } && systemctl daemon-reload && sleep 1 &&
    answer=$(docker exec "$one" nvidia-smi -L 2>&1)
  rc=$?
  if [ "$rc" = 0 ] && [ -n "$two" ]; then
    docker exec "$two" nvidia-smi -L >/dev/null 2>&1 ||
      record_text note "$step_id" "with this Engine a container that was started by --gpus loses its GPUs when systemd is reloaded; start it by --device nvidia.com/gpu=all"
  fi
  docker rm -f "${one:-none}" ${two:+"$two"} >/dev/null 2>&1
  if [ "$rc" != 0 ] || [ "$(printf '%s\n' "$answer" | sort)" != "$(printf '%s\n' "$listing" | sort)" ]; then
    printf '%s\n' "$answer"
    brief="a container loses its GPUs when systemd is reloaded" cause=$(gpu_cause "$answer")
    return 1
  fi
  after=' · again after daemon-reload'
}

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
  [ "$machine_id" = 4872ab6af8d44932a22fdc53dff75753 ] ||
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
check_s02() { # verify the GPUs in containers
return 1
}
apply_s02() {
image=ubuntu gpus_flag=1 deep=''
unset DOCKER_HOST DOCKER_CONTEXT
if ! command -v nvidia-smi >/dev/null 2>&1; then
  brief="the host has no nvidia-smi" cause="driver: NVIDIA's is not installed, or without its tools"
  return 1
fi
listing=$(timeout 60 nvidia-smi -L 2>&1) || {
  printf '%s\n' "$listing"
  brief="nvidia-smi fails on the host" cause=$(gpu_cause "$listing")
  return 1
}
if [ ! -e /dev/nvidia-uvm ]; then
  brief="the host has no /dev/nvidia-uvm: CUDA would not start" cause=$(gpu_cause nvidia-uvm)
  return 1
fi
record progress "$step_id" "10 verify nvidia-smi works on the host"
if devices=$(docker info --format '{{range .DiscoveredDevices}}{{.ID}} {{end}}' 2>/dev/null); then
  case $devices in *nvidia.com/gpu=*) ;; *)
    brief="dockerd lists no CDI device of NVIDIA's" cause=$(gpu_cause "unresolvable CDI devices")
    return 1 ;;
  esac
elif [ -z "$(docker info --format '{{range .CDISpecDirs}}{{.}} {{end}}' 2>/dev/null)" ]; then
  brief="dockerd does not do CDI" cause=$(gpu_cause "CDI is not enabled")
  return 1
fi
if ! pull_once 600 "$image"; then
  printf '%s\n' "$answer"
  brief="$image cannot be pulled; GPUs and daemon are healthy" cause=$(cause_of "$answer")
  return 1
fi
gpu_rung 40 '--device nvidia.com/gpu=all' --device nvidia.com/gpu=all &&
  { [ -z "$gpus_flag" ] || gpu_rung 60 '--gpus all' --gpus all; } &&
  gpu_rung 80 '--runtime=nvidia' --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=all &&
  gpu_after_reload
rc=$?
pulled_goes "$image"
[ "$rc" = 0 ] || return 1
[ -z "$deep" ] || gpu_computes "$deep" || return 1
xids=$(journalctl -k -b -q -o cat --no-pager 2>/dev/null | grep -c 'NVRM: Xid')
[ "${xids:-0}" = 0 ] || record_text note "$step_id" "$xids Xid errors of the driver since the boot: journalctl -k | grep Xid"
say "$(printf '%s\n' "$listing" | grep -c '^GPU ') GPUs by --device${gpus_flag:+, --gpus} and --runtime=nvidia$after${deep:+ · CUDA computes}"
}
# --- begin ---------------------------------------------------------------------------------------

open_scratch 2026-11-24-1f3a2b
guard
step_id=s01
verify s01 'verify with hello-world'
step_id=s02
verify s02 'verify the GPUs in containers'
finish 0
}
main "$@" </dev/null
