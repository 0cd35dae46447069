"""A stand-in for snapd with its Docker, as no snap store can be reached from the lab.

What is real: the daemon (the distribution's docker.io, unpacked where a snap lies), its containers,
its data in /var/snap/docker, and the paths that snapd keeps: /snap/docker/current, the file of a
snap in /var/lib/snapd/snaps. What is not: ``snap`` is a shell script that says so, nothing is
confined or mounted, and a snapshot is a line in a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.host import Host

REVISION = "2915"
DATA = "/var/snap/docker/common/var-lib-docker"
CLIENT = "/snap/docker/current/bin/docker"

_COMMAND = f"""\
#!/bin/sh
# A stand-in of the test lab for snap(1): it knows one snap, docker, and no store.
file=/var/lib/snapd/snaps/docker_{REVISION}.snap current=/snap/docker/current
unit=snap.docker.dockerd.service saved=/var/lib/snapd/saved
echo "snap $*" >>/var/lib/snapd/calls
there() {{ [ -e "$file" ] || {{ echo "error: snap \\"$1\\" is not installed" >&2; exit 1; }}; }}
fails() {{ [ ! -e "/var/lib/snapd/fail-$1" ] || {{ echo "error: cannot perform: $1 (stand-in)" >&2; exit 1; }}; }}
fails "$1"
case $1 in
  list) there docker
    echo "Name    Version  Rev   Tracking       Publisher  Notes"
    echo "docker  28.4.0   {REVISION}  latest/stable  canonical  $([ -e "$current" ] && echo - || echo disabled)" ;;
  disable) there "$2"; systemctl disable -q --now "$unit"; rm -f "$current" /snap/bin/docker; echo "$2 disabled" ;;
  enable) there "$2"; ln -sfn {REVISION} "$current"; mkdir -p /snap/bin; ln -sf "$current/bin/docker" /snap/bin/docker
    systemctl enable -q --now "$unit" && echo "$2 enabled" ;;
  remove) there "$2"
    case " $* " in *" --purge "*) ;; *) echo "1  docker  just now  28.4.0  {REVISION}  auto" >>"$saved" ;; esac
    systemctl disable -q --now "$unit" 2>/dev/null
    rm -rf "$file" /snap/docker /snap/bin/docker /var/snap/docker "/etc/systemd/system/$unit"
    systemctl daemon-reload; echo "$2 removed" ;;
  saved) cat "$saved" 2>/dev/null || echo "No snapshots found." ;;
  *) echo "snap is a stand-in of the test lab; it does not know: $*" >&2; exit 64 ;;
esac
"""

_UNIT = f"""\
[Unit]
Description=Service for snap application docker.dockerd (stand-in)
[Service]
Environment=PATH=/snap/docker/{REVISION}/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/snap/docker/{REVISION}/bin/dockerd --data-root {DATA} --exec-root /run/snap.docker \\
  --pidfile /run/snap.docker.pid --host unix:///run/docker.sock --group root \\
  --storage-driver vfs --iptables=false --ip6tables=false --bridge=none
Restart=on-failure
Delegate=yes
KillMode=mixed
[Install]
WantedBy=multi-user.target
"""


def install_snap(host: Host) -> None:
    """Give the host the snap ``docker``, enabled, with a container ``app`` that runs in it."""
    host.put("/usr/bin/snap", _COMMAND, 0o755)
    host.put("/etc/systemd/system/snap.docker.dockerd.service", _UNIT)
    host.exec(
        f"""set -e
        mkdir -p /var/lib/snapd/snaps /snap/docker/{REVISION}/bin {DATA} /run/x && cd /run/x
        apt-get -qq update && apt-get -qq download docker.io docker-cli containerd runc
        for deb in *.deb; do dpkg-deb -x "$deb" tree; done
        find tree/usr/bin tree/usr/sbin -type f -exec cp -n -t /snap/docker/{REVISION}/bin {{}} +
        echo "not a file system" >/var/lib/snapd/snaps/docker_{REVISION}.snap
        rm -rf /run/x && rm -rf /var/lib/apt/lists/*_* && systemctl daemon-reload && snap enable docker
        """
    )
    host.exec(
        f"for n in 1 2 3 4 5 6 7 8 9; do {CLIENT} version && break || sleep 1; done >/dev/null 2>&1\n"
        f"{CLIENT} pull -q ubuntu && {CLIENT} volume create data &&"
        f" {CLIENT} run -d --net none --stop-signal KILL --name app -v data:/d ubuntu sleep 100000"
    )
