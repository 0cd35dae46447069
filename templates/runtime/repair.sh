# --- repair: by what dpkg says of each package, and never by an exit status -----------------------
# "dpkg --configure -a" and "apt-get -f install" both end with 0 and leave a package that was killed
# in its preinst (flag R): only its own reinstallation, or its removal, heals that.

broken() { # lines of STATUS NAME: half installed, unpacked, triggers pending, flag R
  dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
    awk 'substr($0, 2, 1) !~ /[inc]/ || substr($0, 3, 1) != " " { print }'
  for file in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$file" ] || echo "updates pending"; done
}

dpkg_clean() { [ -z "$(broken)" ]; }

# half_removed: what a run of ours was taking away comes back from the archives that were kept: until
# the new runtime is there, the old one is the host's. Where that would remove something, it goes.
half_removed() {
  halves='' back=''
  for package in $(broken | awk '{ print $NF }'); do
    grep -qs "^package $package [^ ]* absent\$" "$state"/runs/*/receipt && halves="$halves $package"
  done
  [ -n "$halves" ] || return 0
  gone=$(sed -n 's/^package \([^ ]*\) [^ ]* absent$/\1/p' "$state"/runs/*/receipt | sort -u)
  case $playbook in uninstall|purge) gone='' ;; esac # there is no old runtime that should come back
  for package in $gone; do
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in 'ii ') continue ;; esac
    for archive in "$state/debs/${package}"_*.deb; do [ ! -f "$archive" ] || back="$back $archive"; done
  done
  # shellcheck disable=SC2086  # words on purpose
  [ -n "$back" ] || stop_units $halves
  # shellcheck disable=SC2086
  { [ -n "$back" ] && apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 --no-install-recommends --no-remove --allow-downgrades --reinstall install $back; } ||
    dpkg --force-remove-reinstreq --remove $halves
}

# stop_units PACKAGE...: a package's prerm stops its daemon, and does not run again where dpkg was killed
# after it; what a boot started since would go on without its package.
stop_units() {
  units=$(dpkg-query -L "$@" 2>/dev/null | sed -nE 's,^.*/systemd/system/([a-z0-9._-]+\.(service|socket))$,\1,p')
  # shellcheck disable=SC2086
  [ -z "$units" ] || systemctl stop $units
}

repair_dpkg() {
  wait_for_locks "$step_id"
  dpkg --force-confdef --force-confold --configure -a
  half_removed
  for package in $(broken | awk 'substr($0, 3, 1) == "R" { print $NF }'); do
    # What a run of ours was bringing is taken out again: the plan that follows brings it anew.
    if grep -qs "^package $package absent " "$state"/runs/*/receipt; then
      dpkg --force-remove-reinstreq --remove "$package" && continue
    fi
    apt-get -q -y -o Dpkg::Use-Pty=0 install --reinstall "$package"
  done
  dpkg_clean || apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 --no-remove -f install
  dpkg_clean && return
  broken
  exit_code=7 cause="packages are still half installed: dpkg --configure -a; apt-get -f install; apt-get install --reinstall NAME"
  return 1
}
