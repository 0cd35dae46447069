main() {
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
run_id=2026-11-24-1f3a2b
state=/var/lib/dockwright
run=$state/runs/$run_id
read -r pid started 2>/dev/null <"$run/pid" || { printf 'dw1 %s unknown - -\n' "$run_id"; exit 0; }
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

follow 4711
}
main
