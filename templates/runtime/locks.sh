# --- locks: who holds apt's and dpkg's locks; a holder is waited for and never ended -------------

# Prints "LOCK PID SECONDS COMMAND" of the first lock that is held. The locks are fcntl locks, so
# /proc/locks has them by inode; the holder is confirmed by its open file (inodes repeat between
# file systems).
lock_holder() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    inode=$(stat -c %i "$lock" 2>/dev/null) || continue
    while read -r _ kind _ mode pid device _; do
      [ "$kind" = POSIX ] && [ "$mode" = WRITE ] && [ "${device##*:}" = "$inode" ] || continue
      held=
      for link in /proc/"$pid"/fd/*; do
        [ "$(readlink "$link" 2>/dev/null)" != "$lock" ] || held=1
      done
      [ -n "$held" ] || continue
      ticks=$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
      now
      age=$((${uptime%%.*} - ${ticks:-0} / $(getconf CLK_TCK 2>/dev/null || echo 100)))
      printf '%s %s %s %s\n' "$lock" "$pid" "$age" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 120)"
      return 0
    done </proc/locks
  done
  return 1
}

# wait_for_locks STEP: until nobody holds one; gives up with 10 after $lock_timeout seconds.
wait_for_locks() {
  waited=0
  while holder=$(lock_holder); do
    [ "$waited" -lt "$((lock_timeout * 2))" ] ||
      stop "$([ "$committed" = 0 ] && echo 10 || echo 6)" "$1" "another program still holds ${holder%% *}" "lock: ${holder#* }"
    [ $((waited % 10)) != 0 ] || record_text wait "$1" "$holder"
    asked_to_stop "$1"
    sleep 0.5
    waited=$((waited + 1))
  done
}
