# What the host's own sources offer of NVIDIA's driver: asked in private, as the probe asks apt.
main() {
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LC_ALL=C.UTF-8
export PATH HOME LC_ALL
committed=0
state=/var/lib/dockwright operator=controller playbook=archive
wanted=nvidia-driver lacking='' apt_flags='' replaced='' removals='' sites=''
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


open_scratch 2026-11-24-1f3a2b
hold_login 'machine http://proxy.example:3128 login robot password it'"'"'s `a` $(secret)' || stop 3 preflight "no room in /run"
prepare_private >"$out" 2>&1 || stop 3 preflight "no room for private apt directories in /run"
private_update preflight
! lists_are_old || update_foreign preflight
# Drivers are in components of their own, the kernel's headers in main. Other vendors' repositories are flat, or main.
kernel=$(uname -r)
record_text offered - "$(
  for path in "$private"/lists/*_Packages*; do
    case $path in
      *_restricted_*|*_multiverse_*|*_contrib_*|*_non-free*_*) driver=1 ;;
      *_main_*) driver=0 ;;
      *) continue ;;
    esac
    /usr/lib/apt/apt-helper cat-file "$path" 2>/dev/null | awk -v driver="$driver" -v kernel="$kernel" '
      $1 == "Package:" { name = $2 }
      $1 != "Version:" { next }
      name == "linux-headers-" kernel || name ~ /^linux-headers-[a-z0-9-]*[a-z]$/ && name !~ /[0-9]\.[0-9]/ { print name, $2; next }
      !driver { next }
      name ~ /^linux-modules-nvidia-[0-9]/ {
        # Of all kernels only the running one, and the metapackages.
        rest = name; sub(/^linux-modules-nvidia-[0-9]+(-server)?(-open)?-/, "", rest)
        if (rest == kernel || rest ~ /^[a-z]/) print name, $2
        next
      }
      name ~ /^nvidia-(driver|headless|headless-no-dkms|dkms|utils)-[0-9]/ || name ~ /^nvidia-(open-)?(driver|kernel-dkms|smi|modprobe)$/ ||
        name ~ /^nvidia-tesla-[0-9]+-(open-)?(driver|kernel-dkms|smi)$/ || name ~ /^lib(cuda1|nvidia-tesla-[0-9]+-cuda1)$/ || name == "firmware-nvidia-gsp" { print name, $2 }'
  done | sort -u
)"
finish 0
}
main </dev/null
