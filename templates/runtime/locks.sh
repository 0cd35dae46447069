# --- locks: who holds apt's and dpkg's locks; a holder is waited for and never ended -------------

apt_locks="/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock"

# Prints "LOCK PID SECONDS COMMAND" of the first lock that is held. The locks are fcntl locks, so
# /proc/locks has them by inode; the holder is confirmed by its open file (inodes repeat between
# file systems). A first boot counts as a holder: cloud-init writes sources and installs packages.
lock_holder() {
  unseen=$(unseen_holder) || { first_boot; return; }
  for lock in $apt_locks; do
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
  printf '%s\n' "$unseen"
}

# unseen_holder: the kernel tells of any holder where it is asked for the locks, also of one outside our
# pid namespace, which is not in our /proc/locks. perl-base is Essential.
unseen_holder() {
  # shellcheck disable=SC2016,SC2086  # perl's variables; a list of paths
  lock=$(perl -e 'use Fcntl; for (@ARGV) { open(my $f, "+<", $_) or next; my $b = pack("s s x96", F_WRLCK, 0);
    if (fcntl($f, F_GETLK, $b) and unpack("s", $b) != F_UNLCK) { print; last } }' $apt_locks 2>/dev/null) || return
  [ -n "$lock" ] || return
  printf '%s 0 0 a process that cannot be seen from here\n' "$lock"
}

# first_boot: cloud-init has begun, has no result yet, and systemd is at it. Not where it is cloud-init
# that runs us: it would be waited for by what it waits for itself.
first_boot() {
  ! grep -q '/cloud-[a-z-]*\.service' /proc/self/cgroup 2>/dev/null || return
  [ -e /run/cloud-init/status.json ] && [ ! -e /run/cloud-init/result.json ] &&
    systemctl list-jobs --no-legend 2>/dev/null | grep -q ' cloud-' || return
  now
  pid=$(systemctl show -P MainPID cloud-init.service cloud-config.service cloud-final.service | awk '$1 { pid = $1 } END { print pid + 0 }')
  printf '/run/cloud-init/status.json %s %s cloud-init, on the first boot\n' "$pid" "${uptime%%.*}"
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

# locked_out: apt gave up on a lock that was taken between our look and its start. It may be free
# again by now, so apt's own words count; ten times at most in a run.
locked_out() {
  lockouts=$((${lockouts:-0} + 1))
  [ "$lockouts" -le 10 ] && grep -qE 'Could not get lock|Unable to acquire the dpkg|Unable to lock' "$out"
}
