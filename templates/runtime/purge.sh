# --- purge: empty a directory, and nothing that is not in it --------------------------------------
# What was judged when the plan was made is judged again here, by what a moment can change. The
# deletion runs in a mount namespace of its own, out of which and into which no mount comes: what the
# mount table says there stays so to the end. It goes by directory descriptors (find -delete: fts with
# openat and unlinkat), never by paths, and follows no link.

# mounts_below ROOT: mount points below it, as proc(5) writes them. ROOT has no characters that are
# written otherwise there.
mounts_below() {
  awk -v root="$1" 'index($5, root "/") == 1 { print $5 }' /proc/self/mountinfo
}

# own_mounts ROOT: those of Docker itself, that a container left; the names are hex or words.
own_mounts() {
  awk -v root="$1" 'index($5, root "/") == 1 {
    below = substr($5, length(root) + 1)
    sub(/^\/[0-9]+\.[0-9]+\//, "/", below)
    for (i = 7; i <= NF && $i != "-"; i++);
    kind = $(i + 1)
    if (kind !~ /^(overlay|tmpfs|fuse\.fuse-overlayfs)$/) next
    if (below ~ /^\/overlay2\/[A-Za-z0-9-]+\/merged$/ || below ~ /^\/rootfs\/[a-z-]+\/[0-9a-f]+$/ || below ~ /^\/containers\/[0-9a-f]+\/mounts\/(shm|secrets)$/) print $5
  }' /proc/self/mountinfo
}

unmount_own() { # ROOT
  for point in $(own_mounts "$1"); do
    umount -- "$point" && continue
    echo "$point is busy; processes that see it:"
    grep -ls " $point " /proc/[0-9]*/mountinfo | cut -d/ -f3 | head -n 20 |
      while read -r pid; do echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline" | head -c 100)"; done
    cause="$point is still mounted and busy; what holds it is above"
    return 1
  done
}

# emptied ROOT: nothing is in it, or it is gone. A disk's own lost+found does not count.
emptied() {
  [ ! -L "$1" ] || return 1
  [ ! -e "$1" ] || { [ -d "$1" ] && [ -z "$(find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ]; }
}

# still_running NAME...: a process of that name, in any cgroup, is at work on the data. A user's own
# daemon, without root, has data of its own.
still_running() {
  for file in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$file" || continue
    for wanted; do
      # The kernel cuts names at 15 characters.
      case $name in "$wanted"|"$wanted"-*) ;; *) continue ;; esac
      [ "$(stat -c %u "${file%/comm}" 2>/dev/null)" = 0 ] || continue
      pid=${file#/proc/} && pid=${pid%/comm} && return 0
    done
  done
  return 1
}

# empty_out ROOT DEVICE:INODE: everything below it goes; then it does, unless it is a mount itself.
empty_out() {
  unmount_own "$1" || return
  if ! unshare --mount --propagation private -- true; then
    cause="no mount namespace can be made here, so a deletion could not be kept from other mounts"
    return 3
  fi
  receipt "purging $1 $2"
  settle
  unshare --mount --propagation private -- /bin/sh -c '
    cd -P -- "$1" || exit 3
    if [ "$(pwd -P)" != "$1" ] || [ "$(stat -c %d:%i .)" != "$2" ]; then
      echo "$1 is not the directory that was planned for"
      exit 3
    fi
    # Also what was mounted over it since: then . is not what the path leads to.
    [ "$(stat -c %d:%i -- "$1")" = "$2" ] || { echo "something was mounted over $1"; exit 3; }
    if awk -v root="$1" "index(\$5, root \"/\") == 1 { print; found = 1 } END { exit !found }" /proc/self/mountinfo; then
      echo "something is mounted below $1: nothing was deleted"
      exit 3
    fi
    find . -xdev -mindepth 1 ! -path "./lost+found*" -delete
  ' sh "$1" "$2" || {
    rc=$?
    [ "$rc" != 3 ] || cause="$1 is not as it was planned for; nothing in it was deleted: plan again"
    [ "$rc" = 3 ] || cause="not all of $1 could be deleted; the rest is still there, and the same command goes on"
    return "$rc"
  }
  mountpoint -q -- "$1" || rmdir -- "$1" || return
}

# left_over KIND WHAT WHY: one thing that is still there.
left_over() {
  leftovers=$((${leftovers:-0} + 1))
  record_text note "$step_id" "left: $1 ($2)"
}

# scan_leftovers ROOT...: all that Docker leaves on a host, by name; says how much there is.
scan_leftovers() {
  leftovers=0
  for path in $(printf '%s\n' "$@" /var/lib/docker /var/lib/containerd | sort -u); do
    emptied "$path" || left_over "$path" "data"
    if emptied "$path" && [ -d "$path" ] && mountpoint -q -- "$path"; then left_over "$path" "a mount, and empty"; fi
  done
  for path in /etc/docker /etc/containerd /etc/default/docker /etc/systemd/system/docker.service.d /etc/cni /opt/cni \
    /opt/containerd /var/lib/docker-engine /run/docker /run/containerd /etc/nvidia-container-runtime \
    /etc/nvidia-container-toolkit /etc/cdi /var/run/cdi; do
    [ ! -e "$path" ] || left_over "$path" "settings or run time state; not ours, so it stays"
  done
  for path in /etc/apt/sources.list.d/*docker* /etc/apt/keyrings/*docker* /usr/share/keyrings/*docker* /etc/apt/trusted.gpg.d/*docker* \
    /etc/apt/sources.list.d/*nvidia-container* /etc/apt/keyrings/*nvidia-container* /usr/share/keyrings/*nvidia-container*; do
    [ ! -e "$path" ] || left_over "$path" "not ours, or changed since"
  done
  for path in /home/*/.docker /home/*/.local/share/docker /root/.docker /root/.local/share/docker; do
    [ ! -e "$path" ] || left_over "$path" "a user's own"
  done
  for package in $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 'docker*' 'containerd*' runc 'moby-*' \
    'nvidia-container*' 'libnvidia-container*' nvidia-docker2 2>/dev/null |
    awk '$1 == "config-files" || $1 == "installed" { print $2 }'); do
    left_over "package $package" "$(dpkg-query -W -f='${db:Status-Status}' "$package"); never purged, for that could delete data"
  done
  if group=$(getent group docker); then left_over "group docker" "members: ${group##*:}"; fi
  if command -v ip >/dev/null 2>&1; then
    for link in $(ip -o link show type bridge 2>/dev/null | awk -F': ' '$2 ~ /^(docker0|br-[0-9a-f]{12})$/ { print $2 }'); do
      left_over "network $link" "goes with the next boot"
    done
  fi
  if command -v iptables >/dev/null 2>&1 && iptables -w 5 -S 2>/dev/null | grep -q -e '-N DOCKER'; then
    left_over "firewall chains DOCKER" "go with the next boot"
  fi
  say "$leftovers left over"
}
