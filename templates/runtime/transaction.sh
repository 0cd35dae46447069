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
