# --- ahead: packages are fetched while apt is asked and the plan is judged ----------------------------

# fetch_ahead: the download begins while apt is asked and the plan is judged. Not where the disk is small: how much comes is
# not known yet.
fetch_ahead() {
  [ -n "$wanted" ] && has_room /var/tmp 3072 && fetched=$(mktemp -d /var/tmp/dockwright-apt.XXXXXX) || return
  chmod 0755 "$fetched" && mkdir "$fetched/partial" && chown _apt "$fetched/partial"
  # Held until apt has said what it would fetch, and until it is there.
  true >"$private/asking" && true >"$private/fetching" || return
  exec 7<"$private/asking" 8<"$private/fetching" && flock 7 && flock 8 || return
  (
    exec 7>&-
    trap '' HUP PIPE
    fetch_files 9>"$private/progress"
    echo "$? $wanted" >"$private/.fetched"
    mv -- "$private/.fetched" "$private/fetched"
  ) </dev/null >/dev/null 2>&1 3>&- 4>&- &
  exec 8>&-
} 2>/dev/null

# fetch_files: first the vendor's, which are most of it and which his index alone names; then what apt would fetch beside them.
fetch_files() {
  # shellcheck disable=SC2086  # words on purpose
  parts=trial.d private_apt -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Acquire::ForceHash=SHA256 \
    --print-uris download $wanted >"$private/vendors"
  fetch_named "$private/vendors" || return
  flock -s "$private/asking" true
  [ -s "$private/uris" ] || return
  fetch_named "$private/uris"
  rc=$?
  [ "$rc" = 1 ] || return "$rc"
  # apt-get reads all lists once more before it begins, but it has other ways than http, and other sums.
  # shellcheck disable=SC2086  # words on purpose
  private_apt $apt_flags -o Dir::Cache::archives="$fetched" -o Debug::NoLocking=true -o APT::Status-Fd=9 --download-only install $wanted
}

# fetch_named LIST: what apt's lines name, by the sums of the verified index; 1 where apt-helper is not for it.
fetch_named() {
  named=$1
  set --
  while read -r uri name _ sum; do
    case $uri in \'*) ;; *) continue ;; esac
    [ ! -e "$fetched/$name" ] || continue
    case $uri:$name:$sum in
      \'http://*:*.deb:SHA256:*|\'https://*:*.deb:SHA256:*) ;;
      *) return 1 ;;
    esac
    case $name in */*|.*) return 1 ;; esac
    uri=${uri#\'}
    set -- "$@" "${uri%\'}" "$fetched/partial/$name" "$sum"
  done <"$named"
  [ $# != 0 ] || return 0
  tool=/usr/lib/apt/apt-helper private_apt -o APT::Status-Fd=9 download-file "$@" &&
    chown root:root "$fetched"/partial/*.deb && chmod 0644 "$fetched"/partial/*.deb && mv -- "$fetched"/partial/*.deb "$fetched/"
}
