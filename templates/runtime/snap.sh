# --- snap: a Docker of snapd's gives way to the new one, and comes back where that does not answer --

snap_client() { timeout 20 "/snap/$disabled_snap/current/bin/docker" "$@"; } # not "snap run": that writes to $HOME

snap_is_there() { # NAME: enabled or disabled, snapd keeps its file
  for file in /var/lib/snapd/snaps/"$1"_[0-9x]*.snap; do [ ! -e "$file" ] || return 0; done
  [ -e "/snap/$1/current" ]
}

snap_disable() { # NAME: what runs is noted, for the way back
  disabled_snap=$1 way_back=snap_back
  snap_client ps -q --no-trunc >"$run/running" 2>/dev/null
  receipt snap "$1" disabled
  snap disable "$1"
}

# snap_back: called where a run ends with the snap disabled. Where the new daemon answers it stays so;
# else the snap is enabled again, and what ran before runs again.
snap_back() {
  way_back=
  if timeout 20 docker version >>"$run/log" 2>&1; then
    record_text note - "the snap '$disabled_snap' is disabled and still there; the same command goes on with it"
    return 0
  fi
  systemctl stop docker.service docker.socket >>"$run/log" 2>&1
  if snap enable "$disabled_snap" >>"$run/log" 2>&1 && snap_answers >>"$run/log" 2>&1; then
    record_text note - "the snap '$disabled_snap' is enabled again, and answers"
    return 0
  fi
  record_text note - "the snap '$disabled_snap' does not answer again: snap enable $disabled_snap; snap logs $disabled_snap"
  return 1
}

snap_answers() {
  tries=0
  until snap_client version; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || return
    sleep 1
  done
  xargs -r "/snap/$disabled_snap/current/bin/docker" start <"$run/running"
}

# snap_remove NAME: not before the new daemon answers; snapd keeps a snapshot of the data of its own.
snap_remove() {
  timeout 20 docker version >/dev/null || { cause="the new daemon does not answer: the snap is not removed"; return 1; }
  snap remove "$1" || { cause="snapd could not remove it: snap changes; snap remove $1"; return 1; }
  way_back=
  receipt snap "$1" removed
}
