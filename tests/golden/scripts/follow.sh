main() {
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
run_id=2026-11-24-1f3a2b
run=/var/lib/dockwright/runs/$run_id
read -r pid _ 2>/dev/null <"$run/pid" || { printf 'dw1 %s unknown - -\n' "$run_id"; exit 0; }
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

follow 4711
}
main
