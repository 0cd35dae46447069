# What doctor asks beside the facts, in the same round trip; read-only. Stands behind facts.sh and
# runtime/locks.sh in one script. $1: the nonce. Free text, paths and contents are base64.
# It may run without root: what is closed then is told as such, and nothing is concluded from it.
# shellcheck disable=SC2034  # runtime/locks.sh reads it
now() { read -r uptime _ </proc/uptime; }

# lock_holder for those who may not see others' open files: a lock counts where its device fits, too.
# Ends with 2, and who it could be, where that cannot be told: overlays and btrfs have other devices
# in stat(2) than in /proc/locks.
# shellcheck disable=SC2154  # runtime/locks.sh has the paths
# shellcheck disable=SC2154  # runtime/locks.sh has the paths
lock_seen() {
  unsure='' hidden=1
  for lock in $apt_locks; do
    [ ! -d "${lock%/*}" ] || [ -x "${lock%/*}" ] || hidden=2
    about=$(stat -c '%D %i' "$lock" 2>/dev/null) || continue
    device=$((0x${about% *}))
    about=$(printf '%02x:%02x' $((device >> 8 & 0xfff)) $((device & 0xff | device >> 12 & 0xfff00))):${about#* }
    while read -r _ kind _ mode pid device _; do
      [ "$kind" = POSIX ] && [ "$mode" = WRITE ] && [ "${device##*:}" = "${about##*:}" ] || continue
      if [ "$device" != "$about" ]; then
        unsure="pid $pid, $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 120)"
        continue
      fi
      ticks=$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
      now
      age=$((${uptime%%.*} - ${ticks:-0} / $(getconf CLK_TCK 2>/dev/null || echo 100)))
      printf '%s %s %s %s\n' "$lock" "$pid" "$age" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 120)"
      return 0
    done </proc/locks
  done
  first_boot && return
  [ -z "$unsure" ] || hidden=2
  printf %s "$unsure"
  return "$hidden"
}

doctor() {
  LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  b64() { base64 -w0; }
  have() { command -v "$1" >/dev/null 2>&1; }
  printf 'dw1 %s doctor\n' "$1"
  root='' && [ "$(id -u)" != 0 ] || root=1
  # closed WHAT [PATH]: not to be seen without root.
  closed() { [ -n "$root" ] || printf 'closed %s %s\n' "$1" "$(printf %s "$2" | b64)"; }

  # Every source file, whoever's: one broken entry stops apt for all. PATH CONTENT.
  for path in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$path" ] || continue
    if [ -z "$root" ] && [ ! -r "$path" ]; then
      closed source "$path"
      continue
    fi
    if [ -r "$path" ] && [ "$(stat -Lc %s "$path")" -le 262144 ]; then body=$(b64 <"$path"); else body=-; fi
    printf 'source %s %s\n' "$(printf %s "$path" | b64)" "${body:-=}"
  done

  for path in /etc/apt /etc/apt/sources.list.d; do
    [ ! -d "$path" ] || { [ -r "$path" ] && [ -x "$path" ]; } || closed source "$path"
  done

  # The keyrings that they name: PATH STATE KIND. apt reads them as the user _apt; before
  # 2.9 it takes an armoured one for .asc and a binary one for .gpg only.
  sed -nE '/^[^#]*[Ss][Ii][Gg][Nn][Ee][Dd]-[Bb][Yy] *[:=]/ s/.*[Ss][Ii][Gg][Nn][Ee][Dd]-[Bb][Yy] *[:=] *([^]]*).*/\1/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    tr ', \t' '[\n*]' | grep '^/[A-Za-z0-9._/+@-]*$' | sort -u | head -n 50 | while read -r path; do
      state=open kind=other
      if [ ! -e "$path" ]; then
        state=missing above=${path%/*}
        # Behind a folder that is closed to others, _apt among them, nobody can tell.
        while [ -n "$above" ]; do
          [ ! -d "$above" ] || [ -x "$above" ] || state=closed
          above=${above%/*}
        done
      else
        [ -n "$(find -L "$path" -maxdepth 0 -perm -o=r 2>/dev/null)" ] || state=closed
        above=$(dirname "$(readlink -f "$path")")
        while [ "$above" != / ]; do
          [ -n "$(find "$above" -maxdepth 0 -perm -o=x 2>/dev/null)" ] || state=closed
          above=$(dirname "$above")
        done
        if [ ! -s "$path" ]; then
          kind=empty
        elif head -c 4096 "$path" | grep -q -- '-----BEGIN PGP PUBLIC KEY BLOCK-----'; then
          kind=armoured
        else # the tag of an OpenPGP public key packet, old and new form (RFC 9580, 4.2)
          case $(od -An -tx1 -N1 "$path" | tr -d ' ') in 98 | 99 | c6) kind=binary ;; esac
        fi
      fi
      printf 'keyring %s %s %s\n' "$path" "$state" "$kind"
    done

  if [ -n "$root" ]; then holder=$(lock_holder); else holder=$(lock_seen); fi
  case $? in
    0) printf 'lock %s\n' "$(printf %s "$holder" | b64)" ;;
    2) closed lock "$holder" ;;
  esac

  # Half installed packages whose archive is needed: dpkg's third letter R.
  have dpkg-query && dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
    awk 'substr($1, 3, 1) == "R" { print "reinstall", $2 }' | head -n 20
  # File systems that count inodes: some have none to count (btrfs), and that is not "full".
  df -Pi / /var /var/lib/docker /var/lib/containerd 2>/dev/null |
    awk '$1 != "Filesystem" && $2 ~ /^[0-9]+$/ && $2 > 0 { print "inodes", $6, $4, $2 }' | sort -u

  if [ -d /run/systemd/system ]; then
    # Without root systemd is asked over the system bus, which a small host may not have.
    systemctl show -P Version >/dev/null 2>&1 || closed units
    # Of the last start alone, and only where that failed: what came before may be mended since.
    begun=$(systemctl show -P InvocationID docker.service 2>/dev/null)
    result=$(systemctl show -P Result docker.service 2>/dev/null)
    if have dockerd && [ -n "$begun" ] && [ "$result" != success ]; then
      log=$(timeout 5 journalctl -q "_SYSTEMD_INVOCATION_ID=$begun" -n 60 -o cat --no-pager 2>/dev/null)
      [ -n "$log" ] || closed journal
      printf 'docker_log %s\n' "$(printf '%s\n' "$log" |
        grep -E 'failed to start daemon|unable to configure|level=(fatal|error)' | tail -n 1 | head -c 600 | b64)"
    fi
  fi
  # Of several mounts on one place the last is seen.
  awk '$2 == "/sys/fs/cgroup" { closed = $4 ~ /(^|,)ro(,|$)/ } END { if (closed) print "cgroup_read_only 1" }' /proc/mounts
  for tool in iptables nft dockerd; do ! have "$tool" || echo "tool $tool"; done
  # The socket, and the groups that the user who logged in has by now; in a login that is older than
  # its groups, "login" has fewer.
  stat -Lc 'socket %a %U:%G' /var/run/docker.sock 2>/dev/null
  if [ -n "$root" ]; then user=$SUDO_USER; else user=$(id -un); fi
  [ -z "$user" ] || printf 'groups %s\n' "$(id -nG "$user" 2>/dev/null)"
  [ -n "$root" ] || printf 'login %s %s\n' "$user" "$(id -nG)"
  [ ! -S /var/run/docker.sock ] || [ -w /var/run/docker.sock ] || closed daemon
  if [ -d /etc/docker ] && [ ! -x /etc/docker ]; then
    closed daemon.json
  elif [ -e /etc/docker/daemon.json ] && [ ! -r /etc/docker/daemon.json ]; then
    closed daemon.json
  fi
  # Containers that get GPUs by other ways than CDI: a reload of systemd takes them away again.
  if [ -e /proc/driver/nvidia/version ] && have docker; then
    for id in $(timeout 10 docker ps -q --no-trunc 2>/dev/null | head -n 100); do
      timeout 10 docker inspect --format 'gpu_container {{.Name}} {{.HostConfig.Runtime}} {{range .HostConfig.DeviceRequests}}{{.Driver}}:{{end}}' "$id" 2>/dev/null
    done | awk '$3 == "nvidia" || ($4 != "" && $4 !~ /cdi/)'
  fi
  [ ! -e /usr/bin/nvidia-container-runtime ] || echo "tool nvidia-container-runtime"
  printf 'dw1 %s diagnosed\n' "$1"
}
doctor "$@" </dev/null
