main() {
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C.UTF-8
export PATH LC_ALL
run_id=2026-11-24-1f3a2b
digest=eef507707fc278b3fc643668d66dd1fe5d128752af088497735c93c3eec17c75
wish=eef507707fc278b3fc643668d66dd1fe5d128752af088497735c93c3eec17c75
state=/var/lib/dockwright
run=$state/runs/$run_id
answer() { printf 'dw1 %s %s\n' "$run_id" "$*"; }
refuse() { rm -f "/run/dockwright-login.$run_id"; answer refused - - "$(printf '%s' "$1" | base64 | tr -d '\n')"; exit 0; }
# --- one run at a time: $state/live names it, below the lock of $state/mutex ----------------------
# The line is: RUN PID START-TIME BOOT-ID WISH SINCE WHO. A process is known by pid, start time
# and boot: a line of a run that died, or of an earlier boot, counts for nothing. WISH is a digest of
# what was asked for: the same command joins the run, whatever its plan would be in the middle of it.

# started_of PID: in ticks since the boot, proc(5); no process is started for it, as a watch asks often.
started_of() {
  stat='' && { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null
  # shellcheck disable=SC2086  # words on purpose: numbers, behind the name
  set -- ${stat##*) }
  printf '%s\n' "${20-}"
}

boot_id() { IFS= read -r this_boot </proc/sys/kernel/random/boot_id && printf '%s\n' "$this_boot"; }

somebody_runs() { # true, with live_run and the rest set, while a run is under way
  read -r live_run live_pid live_started live_boot live_wish live_since live_who 2>/dev/null <"$state/live" &&
    [ "$live_boot" = "$(boot_id)" ] && [ "$(started_of "$live_pid")" = "$live_started" ]
}

who_runs() { printf '%s since %s, started by %s' "$live_run" "$(date -d "@$live_since" '+%H:%M:%S' 2>/dev/null)" "$live_who"; }

announce() { # RUN PID START-TIME WISH WHO
  printf '%s\n' "$1 $2 $3 $(boot_id) $4 $(date +%s) $5" >"$state/live"
}

mkdir -p "$state/runs" 2>/dev/null && chmod 0711 "$state" && chmod 0700 "$state/runs" ||
  refuse "$state cannot be written: $(mkdir -p "$state/runs" 2>&1)"
exec 8>"$state/mutex"
flock -w 20 8 || refuse "$state/mutex is held for 20 seconds"

if somebody_runs; then
  if [ "$live_wish" != "$wish" ]; then
    answer busy - - "$(who_runs | base64 | tr -d '\n')"
    exit 0
  fi
  run=$state/runs/$live_run pid=$live_pid started=$live_started
  answer joined - - "$live_run"
else
  mkdir "$run" || refuse "$run cannot be made"
  printf '%s' '#!/bin/sh
echo "it'"'"'s $HOME"
' >"$run/program" || refuse "the program cannot be stored: is the disk full? apt-get clean empties apt's cache"
  # In memory, for root alone: the program takes it away.
  rm -f /run/dockwright-login.*
  (umask 077 && printf '%s\n' 'machine http://proxy.example:3128 login robot password it'"'"'s `a` $(secret)' >"/run/dockwright-login.$run_id") || refuse "no room in /run"
  sum=$(sha256sum <"$run/program")
  [ "${sum%% *}" = "$digest" ] || refuse "the program did not arrive whole"
  : >"$run/ev"
  systemd-run -q --collect --unit="dockwright-$run_id" -p KillMode=process -p StandardInput=null -- \
    /bin/sh "$run/program" --run "$run_id" '' || refuse "systemd-run does not start the program"
  tries=0
  until [ -s "$run/pid" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 500 ] || refuse "the program did not start"
    sleep 0.02
  done
  read -r pid started <"$run/pid"
  announce "$run_id" "$pid" "$started" "$wish" pat@controller
  # A short program may have ended before its name was written down.
  [ "$(started_of "$pid")" = "$started" ] || rm -f "$state/live"
  answer started - - "$run"
fi
exec 8>&-
# follow FIRST-BYTE: the records of $run as they come, until the controller closes its end.
# "gone" is said where the program dies without a last record (killed, out of memory, power
# cut). $pid and $started name the process: after a reboot its pid may be another's.
follow() {
  (
    alive=$(started_of "$pid")
    trap 'kill ${tailing-} 2>/dev/null; exit' TERM
    if [ -n "$started" ] && [ "$alive" = "$started" ]; then
      tail -s 0.05 -c "+$1" --pid="$pid" -f "$run/ev" &
    else
      tail -c "+$1" "$run/ev" &
    fi
    tailing=$!
    wait "$tailing"
    trap - TERM # a bash that is told to end within $(...) says so
    [ "$(started_of "$pid")" != "${started:-none}" ] || exit 0
    began=$(sed -n 's/^dw1 [^ ]* start - [^ ]* [0-9]* \([^ ]*\).*/\1/p' "$run/ev")
    boot=$(boot_id)
    grep -q '^dw1 [^ ]* end ' "$run/ev" ||
      printf 'dw1 %s gone - - %s\n' "$run_id" "$([ "${began:-$boot}" = "$boot" ] && echo killed || echo rebooted)"
  ) &
  following=$!
  read -r _
  kill "$following" 2>/dev/null || : # it has ended where the program has
}

follow 1
}
main
