"""Messages of apt and dpkg."""

from __future__ import annotations

from dockwright.doctor.catalogue.entry import Entry

_GUIDE = "https://docs.docker.com/engine/install/ubuntu/"
_APT = "https://salsa.debian.org/apt-team/apt"
_UPDATE = "apt-get update"

APT = (
    Entry(
        id="signed-by-conflict",
        rung="apt",
        messages=(r"conflicting values set for option (signed-by|trusted|check-valid-until)",),
        finding="two sources of one repository name different keys",
        cause="apt reads no source at all, of nobody, while two entries contradict each other: often"
        " docker.list of get.docker.com beside docker.sources of the manual, or the old"
        " nvidia-docker.list beside nvidia-container-toolkit.list",
        look=("grep -rn download.docker.com /etc/apt/sources.list /etc/apt/sources.list.d",),
        mend=("keep one of the two entries, and comment the other out", _UPDATE),
        source="https://github.com/docker/for-linux/issues/1349",
    ),
    Entry(
        id="page-as-list",
        rung="apt",
        messages=(
            r"type '<\S+' is not known on line",
            r"unsupported distribution!",
            r"unable to parse package file \S+\.sources",
        ),
        finding="a web page was saved as a source file",
        cause="what was fetched is an error page (404), and curl without -f saved it: per-release"
        " paths such as nvidia-docker/ubuntu24.04 do not exist",
        look=("head -n 3 /etc/apt/sources.list.d/*",),
        mend=("rm the file that the message names", _UPDATE),
        source="https://github.com/NVIDIA/nvidia-container-toolkit/issues/565",
    ),
    Entry(
        id="source-malformed",
        rung="apt",
        messages=(
            r"malformed (entry|line|stanza) \d+ in (list file|source list|sources file)",
            r"type '\S+' is not known on (line|stanza)",
            r"invalid value set for option signed-by",
            r"the list of sources could not be read",
        ),
        finding="a source file that apt cannot read",
        cause="apt reads no source at all while one entry is malformed",
        look=("apt-get update --print-uris >/dev/null",),
        mend=("correct the line that apt names, or comment it out", _UPDATE),
        source="https://manpages.debian.org/sources.list",
    ),
    Entry(
        id="no-pubkey",
        rung="apt",
        messages=(
            r"NO_PUBKEY",
            r"the following signatures (couldn't|could not) be verified",
            r"repository '.*' is not signed",
            r"Missing key [0-9A-F]+, which is needed to verify",  # sqv, apt 3
        ),
        finding="a repository's signature cannot be verified",
        cause="the keyring that the source names is not there, cannot be read by the user _apt, is in"
        " the other format (armoured needs .asc, binary .gpg), or holds another key",
        look=("ls -l /etc/apt/keyrings /usr/share/keyrings", "gpg --show-keys KEYRING"),
        mend=("fetch the vendor's key anew and compare all 40 digits", "dockwright install HOST"),
        source=_GUIDE,
    ),
    Entry(
        id="no-index",
        rung="apt",
        finding="apt has no index of a repository",
        cause="apt-get update was not run since the source was added, or it refused the index",
        look=("apt-get update 2>&1 | dockwright doctor --error -",),
        mend=(_UPDATE,),
        source=_GUIDE,
    ),
    Entry(
        id="no-release",
        rung="apt",
        messages=(
            r"repository '.*' does not have a release file",
            r"404 +not found.*(release|dists/)",
            r"no longer has a release file",
        ),
        finding="the repository has nothing for this release",
        cause="the suite does not exist there: a Debian name below /ubuntu or the reverse, a derivative's"
        " own codename, or a release that Docker does not build for (any more)",
        look=("grep -E 'CODENAME' /etc/os-release",),
        mend=("name the suite of the Ubuntu or Debian release that the host is made from", _UPDATE),
        source="https://github.com/docker/docs/issues/23913",
    ),
    Entry(
        id="not-locatable",
        rung="apt",
        messages=(
            r"unable to locate package (docker|containerd|nvidia-container)",
            r"package '?docker-ce\S* has no installation candidate",
            r"package docker-ce is not available",
            r"couldn't find any package by (glob|regex) 'docker",
        ),
        finding="apt knows no such package",
        cause="no index of the vendor's repository was accepted: no source, a source for another"
        " architecture or release, or an apt-get update that failed",
        look=("apt-cache policy docker-ce", _UPDATE),
        mend=("dockwright install HOST",),
        source="https://github.com/docker/cli/issues/6769",
    ),
    Entry(
        id="version-not-found",
        rung="apt",
        messages=(r"version '.*' for '(docker|containerd|nvidia|libnvidia)\S*' was not found",),
        finding="that version does not exist for this release",
        cause="versions carry the release's name, and not each was built for each release",
        look=("apt-cache madison docker-ce",),
        mend=("name a version of that list", "dockwright install HOST --docker-version 29"),
        source="https://github.com/Dokploy/dokploy/issues/4327",
    ),
    Entry(
        id="archive-gone",
        rung="apt",
        messages=(r"failed to fetch .*\.deb.*404", r"unable to fetch some archives"),
        finding="the index names a package file that is not there",
        cause="the host's lists are older than the repository, or the repository lacks the file",
        mend=(_UPDATE, "where that does not help: install the version before it"),
        source="https://github.com/docker/for-linux/issues/1557",
    ),
    Entry(
        id="unmet-nvidia",
        rung="apt",
        messages=(r"(nvidia-container-toolkit|libnvidia-container)\S* : depends: .*\(= ",),
        finding="NVIDIA's packages are asked for at different versions",
        cause="the four packages depend on each other at exactly one version, and apt picks the newest"
        " for those that were not named",
        mend=(
            "name all four at one version: nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1",
        ),
        source="https://github.com/NVIDIA/nvidia-container-toolkit/pull/1100",
    ),
    Entry(
        id="apt-locked",
        rung="apt",
        messages=(
            r"could not get lock /var/(lib|cache)/",
            r"unable to acquire the dpkg frontend lock",
            r"unable to lock directory /var/lib/apt",
            r"waiting for cache lock",
        ),
        finding="another program holds apt's lock",
        cause="on a fresh machine unattended-upgrades or cloud-init installs packages",
        look=("fuser -v /var/lib/dpkg/lock-frontend /var/lib/apt/lists/lock",),
        mend=("wait until it has ended; never remove a lock file", "dockwright install HOST waits"),
        source="https://github.com/docker/docker-install/issues/366",
    ),
    Entry(
        id="dpkg-interrupted",
        rung="dpkg",
        messages=(r"dpkg was interrupted", r"dpkg --configure -a"),
        finding="dpkg was interrupted",
        cause="an installation was killed or the host lost power in the middle of it",
        look=("dpkg --audit",),
        mend=("dpkg --configure -a", "apt-get -f install"),
        source="https://manpages.debian.org/dpkg",
    ),
    Entry(
        id="half-installed",
        rung="dpkg",
        messages=(
            r"very bad inconsistent state",
            r"cannot configure \(current status 'half-installed'\)",
            r"package \S+ needs to be reinstalled",
            r"you should\s+reinstall it before attempting",
        ),
        finding="a package is half installed, and apt refuses all else",
        cause="dpkg was killed or ran out of room while it unpacked the package (state iHR or iUR)",
        look=("dpkg --audit", "dpkg -l | grep -E '^..R'"),
        mend=(
            "apt-get install --reinstall PACKAGE",
            "where its archive is gone: dpkg --remove --force-remove-reinstreq PACKAGE",
        ),
        source="https://manpages.debian.org/dpkg-query",
    ),
    Entry(
        id="unmet-or-broken",
        rung="dpkg",
        messages=(r"unmet dependencies\. try 'apt", r"you have held broken packages"),
        finding="packages do not fit each other",
        cause="a hold, a pin, or packages of two vendors (docker.io and docker-ce, containerd and"
        " containerd.io) exclude each other",
        look=("apt-mark showhold", "dpkg --audit"),
        mend=("dockwright plan docker HOST",),
        source=_GUIDE,
    ),
    Entry(
        id="file-clash",
        rung="dpkg",
        messages=(r"trying to overwrite '.*(docker|containerd|runc).*', which is also in package",),
        finding="the distribution's package owns the same file",
        cause="docker-buildx, docker-compose-v2 and others of the distribution ship the files of"
        " Docker's plugins",
        look=("dpkg -S FILE",),
        mend=("dockwright install HOST",),
        source="https://github.com/geerlingguy/ansible-role-docker/issues/527",
    ),
    Entry(
        id="not-valid-yet",
        rung="host",
        messages=(
            r"release file for .* is not valid yet",
            r"not live until",
            r"certificate (has expired or )?is not yet valid",
        ),
        finding="the clock of the host is off",
        cause="signatures and certificates are judged by a wrong date",
        look=("timedatectl", "date -u"),
        mend=("timedatectl set-ntp true",),
        source=f"{_APT}/-/blob/main/apt-pkg/deb/debmetaindex.cc",
    ),
    Entry(
        id="expired-release",
        rung="apt",
        messages=(r"release file for .* is expired",),
        finding="the index is older than its own limit",
        cause="a mirror that is no longer fed, or a clock that is ahead",
        look=("date -u",),
        mend=("timedatectl set-ntp true", "use the vendor's own address instead of the mirror"),
        source="https://manpages.debian.org/apt.conf",
    ),
    Entry(
        id="apt-key-gone",
        rung="apt",
        messages=(r"apt-key: (command )?not found", r"apt-key is deprecated"),
        finding="apt-key is gone",
        cause="it is no part of apt any more; a key belongs into a file that one source names",
        mend=("dockwright install HOST",),
        source="https://github.com/puppetlabs/puppetlabs-docker/issues/1027",
    ),
)
