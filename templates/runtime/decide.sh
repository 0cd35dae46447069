# --- decide: what this host needs, where no controller saw it first ------------------------------
# Uses $absent_wanted (names), $held_by_us (names), $host_wanted (names), $vendor_wanted (NAME=FLOOR), $versioned (lines
# of names that go together, the first leads), $exact (the floor is the version), $pinned (names for which it is that
# anyway), $least (NAME=VERSION: below it an installed one is upgraded), $upgrade.

# offers URL SITE SOURCE-PATH NAME=FLOOR...: a repository of ours, and what has to come from it.
offers() {
  repository_urls="$repository_urls$1 " sites="$sites$2 " source_paths="$source_paths$3 "
  one=$1 other=$2
  shift 3
  vendor_wanted="$vendor_wanted$* "
  origins="$origins$one $other $*
"
}

no_offers() { repository_urls='' sites='' source_paths='' vendor_wanted='' origins=''; }

origin_of() { # NAME: URL and SITE of the repository that it has to come from
  printf '%s' "$origins" | awk -v name="$1" '{ for (i = 3; i <= NF; i++) if (index($i, name "=") == 1) { print $1, $2; exit } }'
}

is_exact() { # NAME
  [ -z "$exact" ] || return 0
  case " $pinned " in *" $1 "*) return 0 ;; esac
  return 1
}

below_of() { # NAME=VERSION...: those that are installed, and older
  for package; do
    have=$(version_of "${package%%=*}")
    [ "$have" = absent ] || ! dpkg --compare-versions "$have" lt "${package#*=}" || printf '%s ' "${package%%=*}"
  done
}

installed_of() { # NAME...: those of them that are installed
  for package; do
    [ "$(version_of "$package")" = absent ] || printf '%s ' "$package"
  done
}

missing_of() { # NAME[=FLOOR]...: those of them that are not installed
  for package; do
    [ "$(version_of "${package%%=*}")" != absent ] || printf '%s ' "$package"
  done
}

# wrong_of NAME=VERSION...: those that are installed at another version, where an exact one is asked.
wrong_of() {
  for package; do
    is_exact "${package%%=*}" || continue
    have=$(version_of "${package%%=*}")
    [ "$have" = absent ] || [ "$have" = "${package#*=}" ] || printf '%s ' "$package"
  done
}

# shellcheck disable=SC2086  # lists of names, which have no blanks
packages_settled() { # nothing is to be removed, added or upgraded
  [ -z "$upgrade$(installed_of $absent_wanted)$(missing_of $host_wanted $vendor_wanted)$(wrong_of $vendor_wanted)$(below_of $least)" ]
}

newest_of() { # NAME: the newest version in the lists of its repository
  best='' site=$(origin_of "$1")
  for list in "$private"/lists/"${site#* }"*_Packages*; do
    [ -f "$list" ] || continue
    for version in $(/usr/lib/apt/apt-helper cat-file "$list" | awk -v name="$1" '$1 == "Package:" { p = $2 } $1 == "Version:" && p == name { print $2 }'); do
      if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
    done
  done
  printf '%s' "$best"
}

# lead_of NAME: the version for it: that of the package that leads those it goes with, the newest where
# that one is to come, and the newest of its own where it goes with none.
lead_of() {
  lead=$(printf '%s\n' "$versioned" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) { print $1; exit } }')
  [ -n "$lead" ] || { newest_of "$1"; return; }
  have=$(version_of "$lead")
  # shellcheck disable=SC2086
  case " $(below_of $least)" in *" $lead "*) have=absent ;; esac
  if [ "$have" = absent ] || [ -n "$upgrade" ]; then newest_of "$lead"; else printf '%s' "$have"; fi
}

# decide STEP: sets removals and wanted.
decide() {
  # shellcheck disable=SC2086
  removals=$(installed_of $absent_wanted) wanted=
  for package in $removals; do wanted="$wanted $package-"; done
  # shellcheck disable=SC2086
  wanted="$wanted $(missing_of $host_wanted)"
  # shellcheck disable=SC2086
  too_old=$(below_of $least)
  for pair in $vendor_wanted; do
    package=${pair%%=*} floor=${pair#*=} have=$(version_of "${pair%%=*}")
    # shellcheck disable=SC2086
    if is_exact "$package"; then version=$floor must=1; else version=$(lead_of "$package") must=''; fi
    case " $too_old" in *" $package "*) must=1 ;; esac
    [ -n "$version" ] || stop 3 "$1" "the repository has no $package for this release"
    if [ "$have" = absent ]; then
      dpkg --compare-versions "$version" ge "$floor" ||
        stop 4 "$1" "the repository offers $package $version, older than $floor: an old index is being replayed"
    elif [ "$have" = "$version" ] || { [ -z "$must" ] && { [ -z "$upgrade" ] || ! dpkg --compare-versions "$version" gt "$have"; }; }; then
      continue
    elif [ -z "$must" ] && [ "$(major_of "$version")" != "$(major_of "$have")" ]; then
      record_text note "$1" "$package $version is a new major version: it comes only when it is named"
      continue
    fi
    wanted="$wanted $package=$version"
  done
  wanted=$(printf '%s' "$wanted" | tr -s ' ')
  [ "$wanted" != ' ' ] || wanted=
}

major_of() { printf '%s' "$1" | sed 's/^[0-9]*://; s/[^0-9].*//'; }

# find_chosen_off UNIT...: those that are there and disabled are somebody's choice, and stay so. After a
# run that was cut, or that brought packages and failed, it may be the run's doing. Sets chosen_off.
find_chosen_off() {
  chosen_off=
  [ ! -e "$state/live" ] || return 0
  if read -r failed 2>/dev/null <"$state/unverified"; then
    ! grep -qs '^package [^ ]* absent ' "$state/runs/$failed/receipt" || return 0
  fi
  for unit; do
    case $(systemctl is-enabled "$unit" 2>/dev/null) in disabled|masked) chosen_off="$chosen_off $unit" ;; esac
  done
}

# refuse_masked SERVICE UNIT...: a service that may not start, or cannot without what it needs.
refuse_masked() {
  for unit; do
    [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = masked ] || continue
    [ "$unit" = "$1" ] || ! systemctl is-active -q "$1" || continue
    stop 3 guard "$unit is masked: somebody forbade it to start" "if that is no longer wanted: systemctl unmask $unit"
  done
}

# judge_simulation STEP: removals are ours exactly, others are only added, ours come from our origin.
judge_simulation() {
  transaction=$(plan_of <"$private/simulated")
  extra=
  for package in $(printf '%s\n' "$transaction" | sed -n 's/^R //p'); do
    case " $removals " in *" $package "*) ;; *) extra="$extra $package" ;; esac
  done
  case $extra in
    '') ;;
    *kube*|*cri-*|*k3s*|*rke2*|*nerdctl*) stop 9 "$1" "apt would also remove$extra, which run on containerd" ;;
    *) stop 3 "$1" "apt would also remove$extra" ;;
  esac
  changed=$(sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' "$private/simulated" | sed 's/:.*//')
  for package in $changed; do
    case " $wanted" in *" $package="*) ;; *) stop 3 "$1" "apt would also change $package" ;; esac
  done
  # shellcheck disable=SC2086
  private_apt --print-uris $apt_flags install $wanted 2>/dev/null | grep "^'" >"$private/uris"
  for pair in $wanted; do
    case $pair in *=*) ;; *) continue ;; esac
    url=$(origin_of "${pair%%=*}")
    grep -q "^'${url%% *}/[^ ]* ${pair%%=*}_" "$private/uris" || stop 4 "$1" "${pair%%=*} would come from another source than ours"
  done
  transaction=$(printf '%s\nx' "$transaction")
  transaction=${transaction%x}
}

# entries_of FILE MODE: its entries; sources.list(5), both formats. With MODE "uris" the URIs of those
# that are enabled, an entry a line, and "disabled" for a stanza of others that is not. With "without" the file itself, with the entries of our repositories alone
# ($repository_urls) commented out; it fails where an entry has URIs of ours and of others.
entries_of() {
  format=list
  case $1 in *.sources) format=stanzas ;; esac
  # shellcheck disable=SC2086  # a list of URLs
  LC_ALL=C awk -v format="$format" -v mode="$2" -v ours="$(plain_uris $repository_urls)" -v old="$(plain_uris ${retired-})" -v architecture="${architecture-}" '
    function plain(uri) { sub(/^[a-z]*:\/\//, "", uri); sub(/\/*$/, "", uri); gsub(/\$\(ARCH\)/, architecture, uri); return tolower(uri) }
    function below(uri, words, word, i) { # what became of an earlier repository
      words = split(old, word)
      for (i = 1; i <= words; i++) if (uri == word[i] || index(uri, word[i] "/") == 1) return 1
    }
    function mine(uris, words, word, i, yes) {
      words = split(uris, word)
      for (i = 1; i <= words; i++) if (index(" " ours, " " plain(word[i]) " ") || below(plain(word[i]))) yes++
      if (yes && yes < words) mixed = 1
      return yes
    }
    function flush(i, off) { # the stanza that ends here
      off = 0
      if (uris != "" && enabled) {
        if (mode == "uris") print uris
        off = mine(uris)
      } else if (uris != "" && mode == "uris" && !mine(uris)) print "disabled" # not ours to take away
      for (i = 1; mode == "without" && i <= count; i++) print (off && stanza[i] !~ /^#/ ? "# " : "") stanza[i]
      count = 0; uris = ""; field = ""; enabled = 1
    }
    BEGIN { enabled = 1 }
    format == "list" {
      line = $0
      uri = ""
      if ($1 == "deb" || $1 == "deb-src") { sub(/^[ \t]*deb(-src)?[ \t]+(\[[^]]*\][ \t]*)?/, "", line); split(line, word); uri = word[1] }
      if (uri != "" && mode == "uris") print uri
      if (mode == "without") print (uri != "" && mine(uri) ? "# " : "") $0
      next
    }
    /^[ \t\r]*$/ { flush(); if (mode == "without") print; next }
    {
      stanza[++count] = $0
      if ($0 ~ /^#/) next
      line = $0
      if (line !~ /^[ \t]/) { field = tolower(line); sub(/:.*/, "", field); sub(/^[^:]*:/, "", line) }
      if (field == "uris") uris = uris " " line
      if (field == "enabled") { line = tolower(line); gsub(/[ \t\r]/, "", line); if (line ~ /^(no|false|0|off|without)$/) enabled = 0 }
    }
    END { if (format != "list") flush(); exit mixed }' "$1"
}

plain_uri() { sed "s|^[a-z]*://||; s|/*\$||; s|\\\$(ARCH)|${architecture-}|g" | tr '[:upper:]' '[:lower:]'; }

plain_uris() { printf '%s\n' "$@" | plain_uri | tr '\n' ' '; }

is_ours() { # URI, as plain_uri has it: one of our repositories, or what became of an earlier one
  # shellcheck disable=SC2086
  case " $(plain_uris $repository_urls)" in *" $1 "*) return 0 ;; esac
  # shellcheck disable=SC2086
  for before in $(plain_uris ${retired-}); do
    case $1 in "$before"|"$before"/*) return 0 ;; esac
  done
  return 1
}

# page_for_list FILE: no list, but a page that was saved as one: nvidia.github.io answers so for a
# distribution that it does not know, and the first of the two stops all of apt.
page_for_list() {
  case " ${page_lists-} " in *" ${1##*/} "*) ;; *) return 1 ;; esac
  [ -z "$(entries_of "$1" uris)" ] || return
  case $(tr -d ' \t\r\n' <"$1" | head -c 30) in '<'*|'#Unsupporteddistribution!'*) return 0 ;; esac
  return 1
}

without_ours() { # FILE: its text with our entries commented out; ends with an x, for "$(...)" strips newlines
  entries_of "$1" without >"$run/without" || return
  # awk ends each line with a newline; where the last one of the file has none, it gets none.
  if [ -n "$(tail -c 1 "$1")" ]; then head -c -1 "$run/without"; else cat "$run/without"; fi
  printf x
}

# same_origin: source files, other than ours, that name one of our repositories; two entries with
# different keys would stop all of apt. Sets others, files that name nothing else and go as a whole,
# and edits, files in which our entries alone are commented out.
same_origin() {
  others='' edits=''
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    if page_for_list "$file"; then others="$others $file" && continue; fi
    mine='' beside=''
    for uri in $(entries_of "$file" uris | tr -s ' \t' '\n' | plain_uri); do
      if is_ours "$uri"; then mine=1; else beside=1; fi
    done
    [ -n "$mine" ] || continue
    case " $source_paths " in *" $file "*) [ -n "$beside" ] || continue; mine='' ;; esac
    if [ -z "$beside" ] && [ "$file" != /etc/apt/sources.list ]; then
      others="$others $file"
    elif [ -n "$mine" ] && [ ! -L "$file" ] && entries_of "$file" without >/dev/null; then
      edits="$edits $file"
    else
      stop 3 guard "$file names our repository beside others, where they cannot be told apart" "take that entry out first"
    fi
  done
}

# edited_source FILE: our entries in it are commented out now; the file as it was is kept.
edited_source() {
  text=$(without_ours "$1") && put "$1" "$(stat -c %04a "$1")" "${text%x}"
}

# fit: a host that must not be changed is refused by what it is.
fit() {
  [ -d /run/systemd/system ] || stop 3 guard "this host is not run by systemd"
  dpkg-query -W >/dev/null 2>"$out" ||
    stop 7 guard "dpkg's database cannot be read on this host" "cp /var/lib/dpkg/status-old /var/lib/dpkg/status, or from /var/backups"
}

# fit_to_change: where packages are to change, what stands in the way is named before apt is asked.
fit_to_change() {
  [ ! -e /snap/docker/current ] ||
    stop 3 guard "the snap 'docker' is installed: two daemons would fight for one socket" "'dockwright install HOST --remove-snap' takes it out once the new one answers; by hand, with its data: snap remove docker"
  held=
  for package in $(dpkg-query -W -f='${db:Status-Want} ${Package}\n' 2>/dev/null | sed -n 's/^hold //p'); do
    for word in $wanted; do
      word=${word%%=*}
      [ "${word%-}" = "$package" ] || continue
      # What this file holds itself it may change.
      case " $held_by_us " in
        *" $package "*) apt_flags=--allow-change-held-packages ;;
        *) held="$held $package" ;;
      esac
    done
  done
  [ -z "$held" ] || stop 3 guard "held by apt-mark:$held" "if that is no longer wanted: apt-mark unhold$held"
  case " $wanted" in
    *" containerd- "*|*" containerd.io"[=-]*|*" runc- "*)
      for path in /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml /var/lib/rancher/k3s /var/lib/rancher/rke2 /var/lib/k0s; do
        [ ! -e "$path" ] || stop 9 guard "this is a Kubernetes node ($path); its containerd stays"
      done ;;
  esac
}
