# --- undo: back to the state before the last run, by its receipt ----------------------------------

# undo [ID...]: the ids are the actions of a plan that a controller showed.
undo() {
  step_id=undo
  record begin undo "back to the state before the last run"
  last=${undoes-} # a plan names the run; by hand it is the last one
  [ -n "$last" ] || last=$(newest_receipt)
  [ -n "$last" ] || stop 3 undo "there is no run to undo"
  receipt=$state/runs/$last/receipt
  [ -s "$receipt" ] || stop 3 undo "run $last changed nothing that could be undone"
  judge_restart undo
  undo_packages undo
  committed=1
  record commit - ""
  undo_images
  undo_files
  restart_daemon undo
  sed -n 's/^auto //p' "$receipt" | xargs -r -n 1 apt-mark auto >>"$out" 2>&1
  sed -n 's/^hold //p' "$receipt" | xargs -r apt-mark unhold >>"$out" 2>&1
  sed -n 's/^member //p' "$receipt" | while read -r group user; do gpasswd -d "$user" "$group" >>"$out" 2>&1; done
  case " $back_names " in *" docker.io "*|*" moby-engine "*) removals=$back_names old_runtime_answers >>"$out" 2>&1 || stop 6 undo "the old runtime is back, but does not answer" ;; esac
  sed -n 's/^snap \([^ ]*\) removed$/\1/p' "$receipt" | while read -r name; do
    record_text note undo "the snap '$name' does not come back by itself: snap install $name; snap saved"
  done
  # Neither run can be undone again; the one before them can.
  mv -f "$receipt" "$receipt.undone"
  [ ! -f "$run/receipt" ] || mv -f "$run/receipt" "$run/receipt.undone"
  earlier=$(newest_receipt)
  if [ -n "$earlier" ]; then printf '%s\n' "$earlier" >"$state/last"; else rm -f "$state/last"; fi
  rm -f "$state/unverified"
  for id; do record changed "$id" ""; done
  record passed undo "run $last is undone; data stays"
}

# judge_restart STEP: keys of daemon.json that go are in effect until the daemon starts anew: a reload
# keeps the last value of a key that is no longer there. Refuses to stop containers, unless agreed to.
judge_restart() {
  config=/etc/docker/daemon.json restarts=''
  keys=$(sed -n "s|^keys $config ||p" "$receipt" | tr '\n' ' ')
  wrote=$(sed -n "s|^wrote $config ||p" "$receipt" | tail -n 1)
  # Of a file that somebody changed since nothing is taken back.
  [ -n "$keys" ] && [ "$(sum_of "$config")" = "$wrote" ] || return 0
  restarts=1
  [ -z "$allow_restart" ] && systemctl is-active -q docker.service 2>/dev/null || return 0
  # Without live-restore from now on, the new daemon ends what the old one left running.
  case " $keys" in *" live-restore "*) ;; *)
    if [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ]; then return 0; fi ;;
  esac
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 "$1" "the daemon has to restart; containers would stop: $names(when they may: --allow-restart)"
}

# restart_daemon STEP: one that stays, or came back with its packages before its file did.
restart_daemon() {
  [ -n "$restarts" ] && systemctl is-active -q docker.service 2>/dev/null || return 0
  timeout 20 docker ps -q --no-trunc >"$run/restarted" 2>/dev/null || :
  systemctl reset-failed docker.service 2>/dev/null
  if systemctl restart docker.service >>"$out" 2>&1 && timeout 30 docker version >>"$out" 2>&1; then
    # What ran before runs again, where its own restart policy did not see to it.
    xargs -r docker start <"$run/restarted" >>"$out" 2>&1 || :
    return 0
  fi
  journalctl -u docker.service -n 20 --no-pager >>"$out" 2>/dev/null
  stop 6 "$1" "the files are back, but the daemon does not start with the daemon.json of before"
}

# undo_packages STEP: what came goes, what went comes back, in one transaction.
undo_packages() {
  wanted='' back_names=''
  : >"$run/undo"
  sed -n 's/^package //p' "$receipt" >"$run/packages"
  while read -r package before after; do
    have=$(version_of "$package")
    [ "$have" = "$after" ] || continue # somebody changed it since: theirs
    case $before in
      absent) wanted="$wanted $package-" ;;
      *)
        archive=
        for file in "$state/debs/${package}"_*.deb; do
          [ ! -f "$file" ] || [ "$(dpkg-deb -f "$file" Version)" != "$before" ] || archive=$file
        done
        wanted="$wanted ${archive:-$package=$before}"
        back_names="$back_names $package" ;;
    esac
  done <"$run/packages"
  [ -n "$wanted" ] || return 0
  refuse_to_stop "$1"
  apt_flags="--allow-downgrades --allow-change-held-packages"
  replaced=
  prepare_private >"$out" 2>&1 || stop 3 "$1" "no room for private apt directories"
  for file in /var/lib/apt/lists/*; do
    case ${file##*/} in lock|partial|auxfiles) continue ;; esac
    [ ! -f "$file" ] || ln -s -- "$file" "$private/lists/${file##*/}"
  done
  if ! simulate >"$private/simulated" 2>"$out"; then
    cat "$private/simulated" >>"$out"
    stop 3 "$1" "apt cannot go back: the versions of before are not to be had"
  fi
  transaction=$(plan_of <"$private/simulated")
  for package in $(printf '%s\n' "$transaction" | sed -n 's/^R //p'); do
    case " $wanted " in *" $package- "*) ;; *) stop 9 "$1" "apt would also remove $package, which came since" ;; esac
  done
  transaction=$(printf '%s\nx' "$transaction")
  transaction=${transaction%x}
  printf '%s' "$transaction" | sort >"$work/want"
  # shellcheck disable=SC2086
  if ! private_apt $apt_flags --download-only install $wanted >>"$out" 2>&1; then
    stop_at_proxy "$1" "$(cat "$out")"
    stop 5 "$1" "a package could not be downloaded"
  fi
  # An archive that no source offers is taken from the cache alone where nothing may be downloaded.
  for word in $wanted; do
    case $word in /*) cp -- "$word" "$work/archives/" || stop 3 "$1" "no room for private apt directories" ;; esac
  done
  wait_for_locks "$1"
  committed=1 removals=
  undo_images # while the daemon that has them is there
  transact || stop "${exit_code:-6}" "$1" "packages could not be put back" "${cause-}"
}

# undo_images: names that were not there before go, those that were moved go back, logins go. What a
# container has stays, and so does a name that somebody gave to another image since.
undo_images() {
  [ -z "${images_undone-}" ] || return 0
  images_undone=1
  sed -n 's/^image //p' "$receipt" | sed '1!G;h;$!d' >"$run/images"
  while read -r name before; do
    now=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) || continue
    got=$(awk -v name="$name" '$1 == "got" && $2 == name { id = $3 } END { print id }' "$receipt")
    if [ -n "$got" ] && [ "$now" != "$got" ]; then
      record_text note undo "$name names another image by now: it stays"
    elif [ "$before" != absent ]; then
      docker tag "$before" "$name" >>"$out" 2>&1 || record_text note undo "$name cannot go back to $before"
    elif ! docker image rm "$name" >>"$out" 2>&1; then
      record_text note undo "the image $name stays: a container has it"
    fi
  done <"$run/images"
  sed -n 's/^image-gone \([^ ]*\) .*/\1/p' "$receipt" | while read -r name; do
    record_text note undo "the image $name does not come back by itself: docker pull $name"
  done
  sed -n 's/^login //p' "$receipt" | while read -r host before; do
    # One that was there before, and was not replaced after all, is theirs.
    [ "$before" != other ] || grep -qxF -e "got-login $host" "$receipt" || continue
    ! logged_in "$host" || log_out "$host" "$before" >>"$out" 2>&1
    [ "$before" != other ] || record_text note undo "the login at $host that was replaced does not come back"
  done
}

# forget_lists SOURCE: apt's lists of what a source file of ours names, as it goes, where no source that
# stays or comes back names it: nothing else would ever take them away.
forget_lists() {
  uris=$(sed -n 's/^URIs: *//p' "$1" | sed "s/\$(ARCH)/$(dpkg --print-architecture)/g")
  kept=$(awk '$1 == "file" && $4 != "-" { print $4 }' "$receipt")
  for uri in $uris; do
    uri=${uri#*://} uri=${uri%/}
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/* $kept; do
      [ "$file" = "$1" ] || [ ! -f "$file" ] || ! grep -qF -e "$uri" "$file" || continue 2
    done
    prefix=$(printf '%s' "$uri" | tr / _)
    # A flat repository's lists have no further part; those of others may begin like them.
    find /var/lib/apt/lists -maxdepth 1 -type f \
      \( -name "${prefix}_dists_*" -o -name "${prefix}_*" ! -name "${prefix}_*_*" \) -delete
  done
}

undo_files() {
  sed -n '/^\(file\|wrote\) /p' "$receipt" >"$run/files"
  while read -r kind path before backup; do
    [ "$kind" = file ] || continue
    rm -f -- "${path%/*}"/.dockwright-* # of a run that was cut while it wrote
    [ "$(sum_of "$path")" != "$before" ] || continue
    wrote=$(sed -n "s|^wrote $path ||p" "$receipt" | tail -n 1)
    # The toolkit makes its specification anew by itself: that is nobody's edit.
    if [ "$(sum_of "$path")" != "${wrote:-absent}" ] && [ "$before $path" != "absent /var/run/cdi/nvidia.yaml" ]; then
      record_text note undo "$path was changed since by somebody else: it stays"
      continue
    fi
    case $path in /etc/apt/auth.conf.d/*) login=1 ;; *) login='' && keep "$path" ;; esac
    case $before:$path in absent:/etc/apt/sources.list.d/*) forget_lists "$path" ;; esac
    # A login has no copies: neither one that goes, nor one that is back.
    if [ "$before" = absent ]; then rm -f -- "$path"; elif [ -n "$login" ]; then mv -f -- "$backup" "$path"; else cp -p -- "$backup" "$path"; fi
  done <"$run/files"
  sed -n 's/^directory //p' "$receipt" | sort -ru | while read -r dir; do rmdir "$dir" 2>/dev/null; done
}

status() {
  read -r last 2>/dev/null <"$state/last" || last=none
  if somebody_runs; then echo "running    $(who_runs)"; fi
  echo "last run   $last$(sed -n 's/^dw1 [^ ]* end - [^ ]* /, ended with /p' "$state/runs/$last/ev" 2>/dev/null)"
  for pair in ${vendor_wanted-}; do echo "package    ${pair%%=*} $(version_of "${pair%%=*}")"; done
  echo "daemon     $(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null || echo 'does not answer')"
}
