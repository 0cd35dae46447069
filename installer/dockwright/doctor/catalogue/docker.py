"""Messages of Docker: its client, its daemon, and what stands in its way on the host."""

from __future__ import annotations

from dockwright.doctor.catalogue.entry import Entry

_DOCKERD = "https://docs.docker.com/reference/cli/dockerd/"
_TROUBLE = "https://docs.docker.com/engine/daemon/troubleshoot/"
_POST = "https://docs.docker.com/engine/install/linux-postinstall/"
_JOURNAL = "journalctl -u docker -n 30 --no-pager"

DOCKER = (
    Entry(
        id="socket-denied",
        rung="daemon",
        messages=(
            r"permission denied while trying to connect to the docker",
            r"docker\.sock.*permission denied",
        ),
        finding="this user may not talk to the daemon",
        cause="the user is not in the group docker, or this login is older than the membership: a"
        " group counts from the next login on",
        look=("id", "getent group docker", "ls -l /var/run/docker.sock"),
        mend=(
            "log in anew, or: newgrp docker",
            "not a member yet: dockwright install HOST --add-user NAME (the same as root there)",
        ),
        source=_POST,
    ),
    Entry(
        id="daemon-json-invalid",
        rung="daemon",
        messages=(
            r"unable to configure the docker daemon with file .*(invalid character|unexpected end|unexpected eof|invalid json|cannot unmarshal|don't match any)",
        ),
        finding="daemon.json is not valid",
        cause="a comma, a comment, a quote or an unknown key: dockerd does not start with it",
        look=("dockerd --validate --config-file /etc/docker/daemon.json",),
        mend=(
            "correct the place that is named",
            "systemctl reset-failed docker; systemctl start docker",
        ),
        source=_DOCKERD,
    ),
    Entry(
        id="flag-and-file",
        rung="daemon",
        messages=(r"directives are specified both as a flag and in the configuration file",),
        finding="an option is in daemon.json and on dockerd's command line",
        cause="dockerd refuses to start where both say it, even the same: -H fd:// of the unit and"
        ' "hosts" of the file are the usual pair',
        look=("systemctl cat docker",),
        mend=(
            "take the key out of /etc/docker/daemon.json, or the option out of the unit",
            "systemctl daemon-reload; systemctl restart docker",
        ),
        source=_TROUBLE,
    ),
    Entry(
        id="default-runtime-unknown",
        rung="daemon",
        messages=(r"specified default runtime '?\S+'? does not exist",),
        finding="daemon.json's default runtime is not defined",
        cause="default-runtime names a runtime that runtimes does not have",
        look=("cat /etc/docker/daemon.json",),
        mend=("dockwright install --gpu HOST", "or take default-runtime out of daemon.json"),
        source=_DOCKERD,
    ),
    Entry(
        id="unit-changed",
        rung="daemon",
        messages=(r"docker\.service changed on disk", r"drop-ins of docker\.service changed"),
        finding="docker.service was changed, and systemd has the old one",
        cause="a file or drop-in of the unit was written without a reload of systemd",
        look=("systemctl cat docker",),
        mend=("systemctl daemon-reload; systemctl restart docker",),
        source="https://manpages.debian.org/systemctl",
    ),
    Entry(
        id="unit-masked",
        rung="daemon",
        messages=(r"unit docker\.(service|socket) is masked", r"docker\.service is masked"),
        finding="docker.service is masked",
        cause="somebody forbade systemd to start it, or an old package left that behind",
        mend=("systemctl unmask docker.service docker.socket; systemctl start docker",),
        source="https://manpages.debian.org/systemctl",
    ),
    Entry(
        id="start-limit",
        rung="daemon",
        messages=(
            r"job for docker\.service failed",
            r"docker\.service: start request repeated too quickly",
            r"failed to start docker( application container engine)?",
        ),
        finding="dockerd does not start",
        cause="the unit only says that it failed; the reason stands in its journal",
        look=(_JOURNAL, "dockerd --validate"),
        mend=("dockwright doctor HOST names what is known", "systemctl reset-failed docker"),
        source=_TROUBLE,
    ),
    Entry(
        id="daemon-down",
        rung="daemon",
        messages=(
            r"cannot connect to the docker daemon",
            r"is the docker daemon running",
            r"failed to connect to the docker api",
            r"docker\.sock: connect: (no such file|connection refused)",
        ),
        finding="the daemon does not answer",
        cause="dockerd does not run, or DOCKER_HOST or a context leads elsewhere",
        look=("systemctl status docker", _JOURNAL, "docker context ls; echo $DOCKER_HOST"),
        mend=("systemctl start docker",),
        source=_TROUBLE,
    ),
    Entry(
        id="not-installed",
        rung="docker",
        messages=(
            r"docker: (command )?not found",
            r"unit docker\.service (could not be|not) found",
        ),
        finding="Docker is not installed",
        cause="no package brings the client or the daemon",
        mend=("dockwright install HOST",),
        source="https://docs.docker.com/engine/install/",
    ),
    Entry(
        id="podman-in-the-way",
        rung="docker",
        messages=(r"emulate docker cli using podman",),
        finding="podman answers as docker",
        cause="the package podman-docker owns /usr/bin/docker; no Docker daemon is asked",
        look=("dpkg -S /usr/bin/docker",),
        mend=("dockwright install HOST",),
        source="https://docs.docker.com/engine/install/ubuntu/#uninstall-old-versions",
    ),
    Entry(
        id="two-dockers",
        rung="docker",
        finding="Docker is there twice, as a snap and as packages",
        cause="two daemons fight for one socket, and each has images of its own",
        look=("snap list docker", "docker info --format '{{.DockerRootDir}}'"),
        mend=("dockwright install HOST --remove-snap", "or: apt-get remove docker-ce docker.io"),
        source="https://github.com/moby/moby/issues/43228",
    ),
    Entry(
        id="api-too-old",
        rung="daemon",
        messages=(r"client version \S+ is too old", r"minimum supported api version"),
        finding="the client is older than the daemon accepts",
        cause="Engine 29.0 to 29.2 answer to API 1.44 and newer only; 29.3 went back to 1.40",
        look=("docker version",),
        mend=(
            "upgrade the client (Watchtower, Traefik, Portainer ...)",
            "dockwright install HOST --upgrade",
        ),
        source="https://docs.docker.com/engine/release-notes/29/",
    ),
    Entry(
        id="rate-limit",
        rung="container",
        messages=(r"toomanyrequests", r"reached your (unauthenticated )?pull rate limit"),
        finding="the registry counts pulls, and this address had its share",
        cause="Docker Hub limits pulls by address, or by account where there is a login",
        mend=("docker login", "or a mirror: registry-mirrors in daemon.json"),
        source="https://docs.docker.com/docker-hub/usage/",
    ),
    Entry(
        id="registry-unreachable",
        rung="container",
        messages=(
            r"registry.*(no such host|server misbehaving|i/o timeout|connection refused|context deadline|client\.timeout|network is unreachable)",
            r"lookup \S+ on \S+: (no such host|server misbehaving)",
        ),
        finding="the registry is not reached",
        cause="its name does not resolve on the host, or nobody answers there: a firewall, or a proxy"
        " that dockerd was not told of",
        look=(
            "docker info --format '{{.HTTPProxy}} {{.HTTPSProxy}}'",
            "getent hosts registry-1.docker.io",
        ),
        mend=(
            "dockwright install HOST --proxy http://proxy:3128 --set keep_proxy=true, where one is needed",
        ),
        source="https://docs.docker.com/engine/daemon/proxy/",
    ),
    Entry(
        id="registry-untrusted",
        rung="container",
        messages=(r"x509: certificate", r"tls: failed to verify certificate"),
        finding="the registry's certificate is not trusted here",
        cause="a proxy that opens TLS, a private CA, a host without ca-certificates, or a wrong clock",
        look=("date -u", "ls /etc/docker/certs.d"),
        mend=("put the CA into /etc/docker/certs.d/REGISTRY/ca.crt",),
        source="https://docs.docker.com/engine/security/certificates/",
    ),
    Entry(
        id="firewall-tools",
        rung="daemon",
        messages=(
            r"failed to (create nat chain|program filter chain|register \"bridge\" driver)",
            r"iptables (not found|failed)",
            r"error initializing network controller",
            r"no chain/target/match by that name",
        ),
        finding="iptables or nftables does not work for dockerd",
        cause="the tools are missing, the kernel lacks the modules, or another program flushed"
        " Docker's chains",
        look=("iptables -V", "lsmod | grep -E 'nf_tables|ip_tables'", _JOURNAL),
        mend=("apt-get install iptables nftables", "systemctl restart docker"),
        source="https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    ),
    Entry(
        id="subnet-clash",
        rung="daemon",
        messages=(
            r"could not find an available, non-overlapping ipv4 address pool",
            r"all predefined address pools have been fully subnetted",
            r"pool overlaps with other one on this address space",
        ),
        finding="Docker's addresses overlap with a network of the host",
        cause="a route of the host (a VPN, a cloud's network) lies in the range that docker0 takes",
        look=("ip route", "docker network inspect bridge"),
        mend=('set "bip" and "default-address-pools" in daemon.json to a range that is free',),
        source="https://docs.docker.com/engine/network/#automatic-subnet-allocation",
    ),
    Entry(
        id="cgroups-read-only",
        rung="container",
        messages=(
            r"cgroup.*read-only file system",
            r"mountpoint for (cgroup|devices) not found",
            r"failed to (create|apply) cgroup|unable to apply cgroup configuration",
        ),
        finding="cgroups cannot be written",
        cause="the host is itself a container without delegation, or cgroups are mounted read-only",
        look=("grep cgroup /proc/mounts", "systemd-detect-virt"),
        mend=("start the outer container with nesting (LXC: security.nesting=true), or use a VM",),
        source="https://documentation.ubuntu.com/lxd/latest/reference/instance_options/",
    ),
    Entry(
        id="apparmor-parser",
        rung="container",
        messages=(r"apparmor_parser", r"docker-default.*apparmor", r"apparmor.*docker-default"),
        finding="AppArmor is on and apparmor_parser is missing",
        cause="dockerd cannot load its profile docker-default: before 23.0 no container starts,"
        " since then they start unconfined",
        look=("cat /sys/module/apparmor/parameters/enabled",),
        mend=("apt-get install apparmor", "systemctl restart docker"),
        source="https://docs.docker.com/engine/security/apparmor/",
    ),
    Entry(
        id="disk-full",
        rung="host",
        messages=(r"no space left on device", r"you don't have enough free space"),
        finding="no room is left, or no inodes",
        cause="images, volumes and logs fill the file system; json-file logs are never rotated unless"
        " that is asked for; with the same message inodes may be what is used up",
        look=("df -h; df -i", "docker system df"),
        mend=("apt-get clean; journalctl --vacuum-size=100M", "dockwright purge HOST --images"),
        source="https://docs.docker.com/engine/manage-resources/pruning/",
    ),
    Entry(
        id="released-no-more",
        rung="host",
        finding="the host's release gets no updates any more",
        cause="its support has ended, and vendors stop building for it",
        mend=("upgrade the host to a release that is supported",),
        source="https://wiki.ubuntu.com/Releases",
    ),
    Entry(
        id="not-built",
        rung="host",
        finding="Docker builds nothing for this release",
        cause="the release is not out yet or was dropped, the architecture is not built for, or the host"
        " derives from neither Ubuntu nor Debian and names no release that it is made from",
        look=("cat /etc/os-release", "dpkg --print-architecture"),
        mend=("use a release that Docker builds for, or the distribution's docker.io",),
        source="https://docs.docker.com/engine/install/#supported-platforms",
    ),
    Entry(
        id="buildx-missing",
        rung="docker",
        messages=(
            r"docker: 'compose' is not a docker command",
            r"buildx component is missing",
            r"unknown (shorthand )?(flag|command).*compose",
        ),
        finding="a plugin of the client is missing",
        cause="compose and buildx are packages of their own",
        mend=("dockwright install HOST",),
        source="https://docs.docker.com/compose/install/linux/",
    ),
)
