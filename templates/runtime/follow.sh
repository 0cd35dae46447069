# follow FIRST-BYTE: the records of $run as they come, until the controller closes its end.
# A watch says "gone" where the program dies without a last record (killed, out of memory, power
# cut). $pid and $started name the process: after a reboot its pid may be another's.
follow() {
  tail -s 0.05 -c "+$1" -f "$run/ev" &
  tailing=$!
  (
    while [ -n "$started" ] && [ "$(started_of "$pid")" = "$started" ]; do sleep 0.5; done
    sleep 0.5
    began=$(sed -n 's/^dw1 [^ ]* start - [^ ]* [0-9]* \([^ ]*\).*/\1/p' "$run/ev")
    boot=$(boot_id)
    grep -q '^dw1 [^ ]* end ' "$run/ev" ||
      printf 'dw1 %s gone - - %s\n' "$run_id" "$([ "${began:-$boot}" = "$boot" ] && echo killed || echo rebooted)"
  ) &
  watching=$!
  read -r _
  kill "$tailing" "$watching" 2>/dev/null
}
