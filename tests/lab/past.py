"""What NVIDIA's earlier recipes put on a host: packages that stand in for the old ones, and lists.

Names, versions, relations, conffiles and maintainer scripts are those of the sources (NVIDIA/nvidia-docker,
tags v1.0.1 and v2.13.0: debian/control, debian/nvidia-docker2.install, build/deb/); the programs are
the lab's own. The archives of then are 404 today, so they come to a host as files.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.deb import small
from tests.lab.machine import arch
from tests.lab.nvidia import HERE

OLD = "1.13.5-1"  # the last toolkit before the present repository; it has none of these
DAEMON_JSON = """\
{
    "runtimes": {
        "nvidia": {
            "path": "nvidia-container-runtime",
            "runtimeArgs": []
        }
    }
}
"""
# https://nvidia.github.io/nvidia-docker/ubuntu18.04/nvidia-docker.list, which 20.04 and 22.04 got, too.
LIST = """\
deb https://nvidia.github.io/libnvidia-container/stable/ubuntu18.04/$(ARCH) /
#deb https://nvidia.github.io/libnvidia-container/experimental/ubuntu18.04/$(ARCH) /
deb https://nvidia.github.io/nvidia-container-runtime/stable/ubuntu18.04/$(ARCH) /
#deb https://nvidia.github.io/nvidia-container-runtime/experimental/ubuntu18.04/$(ARCH) /
deb https://nvidia.github.io/nvidia-docker/ubuntu18.04/$(ARCH) /
"""
# Answers for a distribution that the site does not know, each as it was saved as a list.
PAGE = "<!doctype html>\n<html><head><title>404</title></head><body>Not found</body></html>\n"
UNSUPPORTED = "# Unsupported distribution!\n# Check https://nvidia.github.io/nvidia-docker\n"

_SERVICE = """\
[Unit]
Description=NVIDIA Docker plugin (stand-in)
After=local-fs.target

[Service]
ExecStart=/usr/bin/nvidia-docker-plugin
ExecStartPost=/bin/sh -c 'mkdir -p /etc/docker/plugins; echo unix:///var/lib/nvidia-docker/nvidia-docker.sock >/etc/docker/plugins/nvidia-docker.spec'
ExecStopPost=/bin/rm -f /etc/docker/plugins/nvidia-docker.spec

[Install]
WantedBy=multi-user.target
"""
_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ]; then
  docker volume ls | awk '$1 == "nvidia-docker" { print $2 }' | xargs -r docker volume rm || echo ignored
  systemctl disable -q --now nvidia-docker.service
fi
"""


def _program(name: str) -> str:
    return (HERE / name).read_text().replace("@VERSION@", OLD)


def toolkit(folder: Path) -> list[Path]:
    """The toolkit of 2023, in the order in which dpkg can install it."""
    runtime, hook = "nvidia-container-runtime", "nvidia-container-runtime-hook"
    exact = f"libnvidia-container1 (>= {OLD})"
    parts: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("libnvidia-container1", "libc6", ()),
        ("libnvidia-container-tools", exact, ()),
        ("nvidia-container-toolkit-base", "libc6", (runtime, "nvidia-ctk")),
        (
            "nvidia-container-toolkit",
            f"nvidia-container-toolkit-base (= {OLD}), libnvidia-container-tools (>= {OLD})",
            (hook,),
        ),
    )
    return [
        small(
            folder / f"{name}_{OLD}.deb",
            {"Package": name, "Version": OLD, "Architecture": arch(), "Depends": depends},
            {
                f"usr/share/doc/{name}/copyright": "A stand-in for tests.\n",
                **{f"usr/bin/{program}": _program(program) for program in programs},
            },
        )
        for name, depends, programs in parts
    ]


def nvidia_docker2(folder: Path) -> Path:
    """2.13: a wrapper, and /etc/docker/daemon.json as a conffile."""
    return small(
        folder / "nvidia-docker2_2.13.0-1_all.deb",
        {
            "Package": "nvidia-docker2",
            "Version": "2.13.0-1",
            "Depends": "nvidia-container-toolkit (>= 1.13.0-1),"
            " docker-ce (>= 18.06.0~ce~3-0~ubuntu) | docker-ee | docker.io | moby-engine",
            "Breaks": "nvidia-docker (<< 2.0.0)",
            "Replaces": "nvidia-docker (<< 2.0.0)",
        },
        {
            "etc/docker/daemon.json": DAEMON_JSON,
            "usr/bin/nvidia-docker": "#!/bin/sh\necho 'a wrapper' >&2\nexec docker \"$@\"\n",
            "DEBIAN/conffiles": "/etc/docker/daemon.json\n",
        },
    )


def runtime(folder: Path) -> Path:
    """The package nvidia-container-runtime: empty since 3.6."""
    return small(
        folder / "nvidia-container-runtime_3.13.0-1_all.deb",
        {
            "Package": "nvidia-container-runtime",
            "Version": "3.13.0-1",
            "Depends": "nvidia-container-toolkit (>= 1.13.0-1)",
        },
    )


def nvidia_docker1(folder: Path) -> Path:
    """1.0.1: a volume plugin with its unit, which takes its volumes away when it is removed."""
    return small(
        folder / f"nvidia-docker_1.0.1-1_{arch()}.deb",
        {
            "Package": "nvidia-docker",
            "Version": "1.0.1-1",
            "Architecture": arch(),
            "Depends": "docker-engine (>= 1.9.0) | docker-ce | docker-ee",
        },
        {
            "usr/bin/nvidia-docker": '#!/bin/sh\nexec docker "$@"\n',
            "usr/bin/nvidia-docker-plugin": (HERE / "nvidia-docker-plugin").read_text(),
            "usr/lib/systemd/system/nvidia-docker.service": _SERVICE,
            "DEBIAN/postinst": "#!/bin/sh\nset -e\nmkdir -p /var/lib/nvidia-docker\n"
            "systemctl daemon-reload\nsystemctl enable -q --now nvidia-docker.service\n",
            "DEBIAN/prerm": _PRERM,
        },
    )
