"""What a host is at the end of a run, as lines that two hosts can be compared by."""

from __future__ import annotations

from tests.lab.host import Host

# Files that differ from host to host, and copies of earlier states, which count edits. groupadd
# writes /etc/group, then /etc/gshadow: cut in between it leaves a group without a line in the second,
# which gshadow(5) allows and nobody can tell from a group that was made so.
_OWN = (
    "hostname hosts machine-id lab-address resolv.conf mtab .updated .pwd.lock"
    " passwd- group- shadow- gshadow- subuid- subgid- shadow gshadow"
)

_LOOK = f"""\
cd /
dpkg-query -W -f='package ${{Package}} ${{db:Status-Abbrev}} ${{Version}}\\n'
apt-mark showauto | sed 's/^/auto /'
apt-mark showhold | sed 's/^/hold /'
dpkg --audit | sed 's/^/audit /'
# tmp.i is where dpkg begins to write the next one: it counts for nothing, and the next dpkg writes over it.
for file in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$file" ] || echo "updates $file"; done
apt-get -q check >/dev/null 2>&1 || echo "apt-get check: $?"
dpkg --verify docker-ce docker-ce-cli containerd.io 2>&1 | sed 's/^/verify /'
own=' {_OWN} '
# The lock of a process that was killed: the next of its kind sees that, and takes it (lckpwdf(3)).
for lock in passwd group shadow gshadow subuid subgid; do
  [ ! -e /etc/$lock.lock ] || kill -0 "$(tr -cd 0-9 </etc/$lock.lock)" 2>/dev/null || own="$own$lock.lock "
done
find /etc -xdev \\( -path /etc/ssh -prune \\) -o -printf '%P %y %m %U:%G %l\\n' | sort |
  while read -r path rest; do
    case "$own" in *" $path "*) continue ;; esac
    # What usermod and its like leave where the power goes: a lock of a process that is gone.
    case $path in passwd.[0-9]*|group.[0-9]*|shadow.[0-9]*|gshadow.[0-9]*) continue ;; esac
    case $path in .dockwright*|*/.dockwright*) echo "leftover /etc/$path" ;; esac
    echo "etc $path $rest"
  done
find /etc -xdev -path /etc/ssh -prune -o -type f -print | sort | while read -r path; do
  case "$own" in *" ${{path#/etc/}} "*) continue ;; esac
  case $path in /etc/passwd.[0-9]*|/etc/group.[0-9]*|/etc/shadow.[0-9]*|/etc/gshadow.[0-9]*) continue ;; esac
  echo "content $(sha256sum "$path")"
done
find /usr -xdev -name '.dockwright*' | sed 's/^/leftover /'
for path in /run/dockwright* /var/lib/dockwright/apt.* /var/lib/dockwright/live; do
  [ ! -e "$path" ] || echo "leftover $path"
done
stat -c 'mode %n %a %U:%G' /var/lib/dockwright /var/lib/dockwright/runs /etc/docker /etc/apt/keyrings
stat -c 'mode run %a %U:%G' /var/lib/dockwright/runs/* | sort -u
for list in /var/lib/apt/lists/*docker*_InRelease; do echo "list ${{list##*/}}"; done
systemctl list-unit-files --no-legend --plain 2>/dev/null | awk '{{ print "unit", $1, $2 }}' | sort
for unit in docker.service docker.socket containerd.service ssh.service; do
  echo "active $unit $(systemctl is-active $unit)"
done
systemctl list-units --failed --plain --no-legend | awk '{{ print "failed", $1 }}'
getent group docker | sed 's/^/group /'
timeout 30 docker version --format 'daemon {{{{.Server.Version}}}}' 2>&1 | head -n 1
timeout 30 docker ps -a --format 'container {{{{.Names}}}} {{{{.State}}}}' 2>&1 | sort
timeout 30 docker image ls --format 'image {{{{.Repository}}}}' 2>&1 | sort
timeout 30 docker volume ls --format 'volume {{{{.Name}}}}' 2>&1 | sort
for path in /var/lib/docker /var/lib/containerd; do
  [ -z "$(ls -A $path 2>/dev/null)" ] || echo "data $path"
done
cat /srv/canary 2>/dev/null
"""


def state(host: Host) -> frozenset[str]:
    """The packages, /etc, units, modes and containers of a host."""
    return frozenset(host.exec(_LOOK, timeout=120).stdout.splitlines())


def answers(host: Host) -> bool:
    """Whether a Docker daemon answers."""
    return host.exec("timeout 30 docker version", check=False).returncode == 0


def difference(must: frozenset[str], may: frozenset[str], found: frozenset[str]) -> tuple[str, ...]:
    """What is missing (-) and what is there beyond (+)."""
    return tuple(
        sorted([f"- {line}" for line in must - found] + [f"+ {line}" for line in found - may])
    )
