"""The pyinfra deploy that Dockwright is measured against: Docker as the vendor's manual has it.

Run by pyinfra, in its own environment: nothing of this project is imported here. It is written to
be quick: the key is downloaded once (``apt.key`` would need gnupg on the host and unpack it there),
the lists are fetched only after the source has changed.
"""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from pyinfra import config, host
from pyinfra.facts.deb import DebArch
from pyinfra.facts.server import LinuxDistribution
from pyinfra.operations import apt, files, server, systemd

config.SUDO = True

KEY = "/etc/apt/keyrings/docker.asc"

release = host.get_fact(LinuxDistribution)["release_meta"]
site = f"https://download.docker.com/linux/{release['ID']}"

apt.packages(
    name="Install what the repository needs",
    packages=["ca-certificates", "curl"],
    update=True,
    cache_time=3600,
)
files.directory(name="Make the folder for keys", path="/etc/apt/keyrings", mode="755")
files.download(name="Add the key", src=f"{site}/gpg", dest=KEY, mode="644")
source = apt.sources_file(
    name="Add the repository",
    filename="docker",
    types="deb",
    uris=site,
    suites=release["VERSION_CODENAME"],
    components="stable",
    architectures=host.get_fact(DebArch),
    signed_by=KEY,
)
apt.update(name="Fetch the lists", _if=source.did_change)
docker = apt.packages(name="Install Docker", packages=host.data.docker_packages.split(","))
systemd.service(name="Enable and start Docker", service="docker", running=True, enabled=True)
server.shell(
    name="Run hello-world", commands=["docker run --rm hello-world"], _if=docker.did_change
)
