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
    [ -n "$from" ] || stop 4 "$1" "${pair%%=*} would come from another source than ours"
  done
  transaction=$(printf '%s\nx' "$transaction")
  transaction=${transaction%x}
}

# uris_of FILE: the URIs of its enabled entries, one a line; sources.list(5), both formats.
uris_of() {
  case $1 in
    *.sources) awk '
      function flush(i) { if (enabled) for (i = 1; i <= count; i++) print uris[i]; count = 0; enabled = 1; field = "" }
      BEGIN { enabled = 1 }
      /^#/ { next }
      /^[ \t]*$/ { flush(); next }
      {
        line = $0
        if (line !~ /^[ \t]/) { field = tolower(line); sub(/:.*/, "", field); sub(/^[^:]*:/, "", line) }
        if (field == "uris") { words = split(line, word); for (i = 1; i <= words; i++) uris[++count] = word[i] }
        if (field == "enabled") { line = tolower(line); gsub(/[ \t]/, "", line); if (line ~ /^(no|false|0|off|without)$/) enabled = 0 }
      }
      END { flush() }' "$1" ;;
    *) awk '$1 == "deb" || $1 == "deb-src" { sub(/^[ \t]*deb(-src)?[ \t]+(\[[^]]*\][ \t]*)?/, ""); print $1 }' "$1" ;;
  esac
}

plain_uri() { sed 's|^[a-z]*://||; s|/*$||' | tr '[:upper:]' '[:lower:]'; }

# same_origin: source files, other than ours, that name one of our repositories; two entries with
# different keys would stop all of apt. One that names others beside it is refused. Sets others.
same_origin() {
  others=
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    case " $source_paths " in *" $file "*) continue ;; esac
    mine='' beside=''
    for uri in $(uris_of "$file" | plain_uri); do
      # shellcheck disable=SC2086  # words on purpose
      case " $(printf '%s\n' $repository_urls | plain_uri | tr '\n' ' ')" in *" $uri "*) mine=1 ;; *) beside=1 ;; esac
    done
    [ -n "$mine" ] || continue
    [ -z "$beside" ] && [ "$file" != /etc/apt/sources.list ] ||
      stop 3 guard "$file names our repository beside others: take that line out first"
    others="$others $file"
  done
}

# refuse_to_stop STEP: containers that a removed or changed runtime would stop, unless agreed to.
# With live-restore these three can be upgraded below running containers.
refuse_to_stop() {
  [ -z "$allow_restart" ] || return 0
  affected='' live=1
  for word in $wanted; do
    package=${word##*/}
    package=${package%%=*}
    package=${package%%_*}
    case ${package%-} in
      docker-ce|docker-ce-cli|containerd.io) case $word in *=*) ;; *) live= ;; esac ;;
    esac
    case ${package%-} in
      docker-ce|containerd.io) affected=1 ;;
      docker.io|docker-engine|moby-engine|containerd|moby-containerd|runc|moby-runc|podman-docker) affected=1 live= ;;
    esac
  done
  [ -n "$affected" ] || return 0
  if [ -n "$live" ] && [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ]; then return 0; fi
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 "$1" "containers would stop: $names(when they may: --allow-restart)"
}

# fit: a host that must not be changed is refused by what it is.
fit() {
  [ -d /run/systemd/system ] || stop 3 guard "this host is not run by systemd"
}

# fit_to_change: where packages are to change, what stands in the way is named before apt is asked.
fit_to_change() {
  [ ! -e /snap/docker/current ] ||
    stop 3 guard "the snap 'docker' is installed: two daemons would fight for one socket" "take it out first, its data with it: snap remove docker"
  held=
  for package in $(dpkg-query -W -f='${db:Status-Want} ${Package}\n' 2>/dev/null | sed -n 's/^hold //p'); do
    for word in $wanted; do
      word=${word%%=*}
      [ "${word%-}" != "$package" ] || held="$held $package"
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
