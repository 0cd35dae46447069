# Docker's data on this host, and what stands in the way of deleting it; read-only. Stands behind
# runs.sh in one script. $1: the nonce; $3 and on: data roots that were named, as base64. Paths and
# names come back as base64: they may hold anything. Mount points stay as proc(5) writes them.
data() {
  LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG
  nonce=$1
  if [ $# -lt 2 ]; then shift $#; else shift 2; fi
  b64() { printf '%s' "$1" | base64 -w0; }
  printf 'dw1 %s data\n' "$nonce"

  # The whole answer has a minute: sizes are told as long as there is time.
  deadline=$(($(date +%s) + 20)) sized='' size=''
  measure() { # PATH: sets size, in KiB
    left=$((deadline - $(date +%s))) sized=$1 size=
    [ "$left" -le 0 ] || size=$(timeout "$left" du -skx -- "$1" 2>/dev/null | cut -f1)
  }
  place() { # KIND HOW PATH
    [ -n "$3" ] || return 0
    type=absent
    if [ -L "$3" ]; then type=symlink; elif [ -d "$3" ]; then type=directory; elif [ -e "$3" ]; then type=other; fi
    if [ "$type" != directory ]; then size=''; elif [ "$sized" != "$3" ]; then measure "$3"; fi
    real=$(readlink -f -- "$3" 2>/dev/null)
    printf 'place %s %s %s %s %s %s %s\n' "$1" "$2" "$(b64 "$3")" "$type" "$(b64 "$real")" \
      "$(stat -c %d:%i -- "$3" 2>/dev/null || echo -)" "$size"
    [ "$type" = directory ] || return 0
    printf 'names %s %s\n' "$(b64 "$3")" "$(find "$3" -mindepth 1 -maxdepth 1 -printf '%y/%f\0' 2>/dev/null | head -c 20000 | base64 -w0)"
    awk -v root="$3" -v name="$(b64 "$3")" '$5 == root || index($5, root "/") == 1 {
      for (i = 7; i <= NF && $i != "-"; i++);
      print "mount", name, $(i + 1), $5 }' /proc/self/mountinfo
  }
  usage() { # what only a daemon knows
    told=$(timeout 10 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}} {{.Swarm.Managers}}' 2>/dev/null)
    case $told in active*|pending*|locked*|error*) echo "swarm $told" ;; esac
    # KIND ALL ACTIVE SIZE IDLE: what a container uses is active; the rest is what the daemon itself would delete.
    timeout 15 docker system df --format '{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}' 2>/dev/null | tr -d ' ' | tr '|' ' ' | sed 's/^/usage /'
    idle=" $(timeout 10 docker volume ls -qf dangling=true 2>/dev/null | tr '\n' ' ')"
    for volume in $(timeout 10 docker volume ls -q 2>/dev/null | head -n 500); do
      case $idle in *" $volume "*) use=idle ;; *) use=used ;; esac
      measure "$root/volumes/$volume"
      printf 'volume %s %s %s\n' "$(b64 "$volume")" "$use" "$size"
    done
  }

  root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  place docker daemon "$root"
  # Where it says so in its settings; the daemon may be down, or gone.
  place docker settings "$(sed -n 's/.*"data-root"[ \t]*:[ \t]*"\([^"]*\)".*/\1/p; s/.*"graph"[ \t]*:[ \t]*"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null | head -n 1)"
  place docker options "$(cat /etc/systemd/system/docker.service /etc/systemd/system/docker.service.d/*.conf /etc/default/docker 2>/dev/null |
    sed -n '/^[ \t]*#/d; s/.*--data-root[= ]\([^ "'\'']*\).*/\1/p; s/.* -g \([^ "'\'']*\).*/\1/p' | tail -n 1)"
  place docker default /var/lib/docker
  for named; do place docker named "$(printf '%s' "$named" | base64 -d)"; done
  place containerd settings "$(sed -n "s/^root[ \t]*=[ \t]*[\"']\([^\"']*\)[\"'].*/\1/p" /etc/containerd/config.toml 2>/dev/null | head -n 1)"
  place containerd default /var/lib/containerd

  # Whose containerd it is: its namespaces where it answers, else what they leave behind.
  # (Where nobody listens there, ctr would try for ten seconds; unix(7) and proc_net(5): one line a socket.)
  if grep -qs '/containerd\.sock$' /proc/net/unix && spaces=$(timeout 10 ctr namespaces list -q 2>/dev/null); then
    echo "containerd answers"
    printf '%s\n' "$spaces" | while read -r space; do [ -z "$space" ] || echo "space $(b64 "$space")"; done
  fi
  for path in /var/lib/containerd/io.containerd.runtime.v2.task/* /run/containerd/io.containerd.runtime.v2.task/*; do
    [ ! -d "$path" ] || echo "space $(b64 "${path##*/}")"
  done
  ! grep -aqsE 'k8s\.io|io\.kubernetes|nerdctl/' /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db || echo "space $(b64 k8s.io)"

  [ -z "$root" ] || usage
  # Daemons by their processes: a socket may be anywhere, and a unit may have another name.
  for path in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$path" || continue
    case $name in dockerd|containerd|containerd-shim*|k3s*|kubelet) ;; *) continue ;; esac
    [ "$(stat -c %u "${path%/comm}" 2>/dev/null)" = 0 ] || continue # a user's own has data of its own
    echo "process $name $(echo "$path" | cut -d/ -f3)"
  done
  printf 'dw1 %s measured\n' "$nonce"
}
data "$@" </dev/null
