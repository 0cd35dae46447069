# --- decide: what this host needs, where no controller saw it first ------------------------------
# Uses $absent_wanted (names), $host_wanted (names), $vendor_wanted (NAME=FLOOR), $versioned (names
# that go together, the first leads), $exact (the floor is the version), $upgrade.

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
  [ -n "$exact" ] || return 0
  for package; do
    have=$(version_of "${package%%=*}")
    [ "$have" = absent ] || [ "$have" = "${package#*=}" ] || printf '%s ' "$package"
  done
}

# shellcheck disable=SC2086  # lists of names, which have no blanks
packages_settled() { # nothing is to be removed, added or upgraded
  [ -z "$upgrade$(installed_of $absent_wanted)$(missing_of $host_wanted $vendor_wanted)$(wrong_of $vendor_wanted)" ]
}

newest_of() { # NAME: the newest version in the lists of our repositories
  best=
  for site in $sites; do
    for list in "$private"/lists/"$site"*_Packages*; do
      [ -f "$list" ] || continue
      for version in $(/usr/lib/apt/apt-helper cat-file "$list" | awk -v name="$1" '$1 == "Package:" { p = $2 } $1 == "Version:" && p == name { print $2 }'); do
        if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
      done
    done
  done
  printf '%s' "$best"
}

# decide STEP: sets removals and wanted.
decide() {
  # shellcheck disable=SC2086
  removals=$(installed_of $absent_wanted) wanted=
  for package in $removals; do wanted="$wanted $package-"; done
  # shellcheck disable=SC2086
  wanted="$wanted $(missing_of $host_wanted)" lead=
  for package in $versioned; do
    lead=$(version_of "$package")
    if [ "$lead" = absent ] || [ -n "$upgrade" ]; then lead=$(newest_of "$package"); fi
    break
  done
  for pair in $vendor_wanted; do
    package=${pair%%=*} floor=${pair#*=} have=$(version_of "${pair%%=*}")
    version=$(newest_of "$package")
    case " $versioned " in *" $package "*) version=$lead ;; esac
    [ -z "$exact" ] || version=$floor
    [ -n "$version" ] || stop 3 "$1" "the repository has no $package for this release"
    if [ "$have" = absent ]; then
      dpkg --compare-versions "$version" ge "$floor" ||
        stop 4 "$1" "the repository offers $package $version, older than $floor: an old index is being replayed"
    elif [ "$have" = "$version" ] || { [ -z "$exact" ] && { [ -z "$upgrade" ] || ! dpkg --compare-versions "$version" gt "$have"; }; }; then
      continue
    elif [ -z "$exact" ] && [ "$(major_of "$version")" != "$(major_of "$have")" ]; then
      record_text note "$1" "$package $version is a new major version: it comes only when it is named"
      continue
    fi
    wanted="$wanted $package=$version"
  done
  wanted=$(printf '%s' "$wanted" | tr -s ' ')
  [ "$wanted" != ' ' ] || wanted=
}

major_of() { printf '%s' "$1" | sed 's/^[0-9]*://; s/[^0-9].*//'; }

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
    from=
    for url in $repository_urls; do
      if grep -q "^'$url/[^ ]* ${pair%%=*}_" "$private/uris"; then from=$url; fi
    done
    [ -n "$from" ] || stop 3 "$1" "${pair%%=*} would come from another source than ours"
  done
  transaction=$(printf '%s\nx' "$transaction")
  transaction=${transaction%x}
}

# same_origin: source files, other than ours, that name one of our repositories; two entries with
# different keys would stop all of apt. One that names others beside it is refused. Sets others.
same_origin() {
  others=
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    case " $source_paths " in *" $file "*) continue ;; esac
    for url in $repository_urls; do
      plain=${url#*://}
      grep -v '^ *#' "$file" | grep -qE "https?://$plain/?( |\$)" || continue
      foreign=$(grep -vE '^ *(#|$)' "$file" | grep -oE 'https?://[^ ]+' | grep -cvE "^https?://$plain/?\$")
      [ "$foreign" = 0 ] && [ "$file" != /etc/apt/sources.list ] ||
        stop 3 guard "$file names our repository beside others: take that line out first"
      others="$others $file"
    done
  done
}

# refuse_to_stop STEP: containers that a removed or changed runtime would stop, unless agreed to.
refuse_to_stop() {
  [ -z "$allow_restart" ] || return 0
  case " $wanted" in
    *" docker.io- "*|*" docker-ce="*|*" containerd- "*|*" containerd.io="*|*" runc- "*|*" moby-engine- "*) ;;
    *) return 0 ;;
  esac
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 "$1" "containers would stop: $names(when they may: --allow-restart)"
}
