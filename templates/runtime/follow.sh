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
