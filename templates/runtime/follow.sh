# follow FIRST-BYTE: the records of $run as they come, until the controller closes its end.
# A watch says "gone" where the program dies without a last record (killed, out of memory).
follow() {
  tail -s 0.05 -c "+$1" -f "$run/ev" &
  tailing=$!
  (
    while kill -0 "$pid" 2>/dev/null; do sleep 0.5; done
    sleep 0.5
    grep -q '^dw1 [^ ]* end ' "$run/ev" || printf 'dw1 %s gone - -\n' "$run_id"
  ) &
  watching=$!
  read -r _
  kill "$tailing" "$watching" 2>/dev/null
}
