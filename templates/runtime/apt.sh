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
