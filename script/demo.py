"""The story that script/demo tells; it exits with 1 where anything is not as it should be."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import LabError

BIN = Path(sys.executable).parent
COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


class DemoError(Exception):
    """Something did not happen as it should."""


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOR else text


def tell(text: str) -> None:
    print("\n" + textwrap.fill(" ".join(text.split()), 88), flush=True)


def title(text: str) -> None:
    print("\n" + paint(BOLD, f"── {text} ".ljust(88, "─")), flush=True)


class Story:
    """One lab with one host, and commands that are typed before the reader's eyes."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.lab = lab
        self.host = host
        self.pin = f"docker_fingerprint={lab.fingerprint}"

    def type(self, *argv: str, exits: int = 0) -> None:
        """Show a command line, run it on this terminal, and insist on its exit code."""
        print("\n" + paint(BOLD, f"$ {shlex.join(argv)}"), flush=True)
        found = BIN / argv[0]
        command = [str(found if found.exists() else argv[0]), *argv[1:]]
        with self.lab.popen(command, stdin=None, stdout=None, stderr=None, job=False) as process:
            code = process.wait()
        if code != exits:
            raise DemoError(f"{shlex.join(argv)}: exit {code}, {exits} was expected")

    def untouched(self, what: str) -> None:
        """Ask the host's disk itself whether anything was written."""
        changed = self.host.changed()
        if changed:
            raise DemoError(f"{what} changed files of the host: {', '.join(changed[:10])}")
        print(paint(GREEN, f"✓ looked up on web1's disk: {what} changed no file"), flush=True)


def tell_all(story: Story) -> None:
    title("1  Trust before change")
    tell("""web1 is bare: sshd, sudo, apt, no Docker. The lab plays the vendor, with a repository
        that it signs itself. Dockwright has Docker's own key pinned, all 40 digits, so it should
        refuse the lab's:""")
    story.type("dockwright", "plan", "docker", "ops@web1", exits=4)
    story.untouched("the refusal")

    title("2  The plan")
    tell("""For the lab, and only because we know it, the pin is replaced by --set. With Docker's
        real repository nobody needs that. Dockwright shows the replacement in every plan:""")
    story.type("dockwright", "plan", "docker", "ops@web1", "--set", story.pin)
    story.untouched("the plan")

    title("3  The install")
    tell("""The same, for real. Everything is downloaded before anything changes; then one apt
        transaction, which a hook on the host compares with the plan at the last moment:""")
    story.type("dockwright", "install", "ops@web1", "--set", story.pin, "--yes")

    title("4  Once more")
    tell("""A host that is as it should be costs one round trip. --detailed-exitcode would exit 20
        if anything had changed:""")
    story.host.mark()
    again = ("--yes", "--detailed-exitcode")
    story.type("dockwright", "install", "ops@web1", "--set", story.pin, *again)
    story.untouched("the second run")

    title("5  The proof")
    tell("verify climbs a ladder: client, daemon, pull, run.")
    story.type("dockwright", "verify", "ops@web1")
    tell("And without Dockwright, by the host's own means:")
    story.type("ssh", "ops@web1", "dpkg-query -W docker-ce containerd.io")
    story.type("ssh", "ops@web1", "sudo docker run --rm hello-world")


def play(lab: Lab, pin: str) -> None:
    """Leave the host to the reader until Enter or Ctrl-C."""
    run = f"script/lab --name {lab.name} run"
    title("web1 is yours")
    print(f"""
In another terminal:
  {run} ssh ops@web1
  {run} .venv/bin/dockwright facts ops@web1
  {run} .venv/bin/dockwright install ops@web1 --add-user ops --set {pin}
  script/lab --name {lab.name} host web2 --dress debian-13
  {run} .venv/bin/dockwright install ops@web2 --docker-version 28 --set {pin}
  script/lab --name {lab.name} shell web1
""")
    with suppress(EOFError, KeyboardInterrupt):
        input("Enter ends the lab. ")


def main() -> int:
    keep = sys.argv[1:] == ["--keep"]
    if sys.argv[1:] and not keep:
        print("usage: script/demo [--keep]", file=sys.stderr)
        return 2
    begun = time.monotonic()
    print(paint(BOLD, "Dockwright: a bare Ubuntu 24.04 becomes a verified Docker host"))
    tell("""A lab starts on this machine, in private namespaces: a web server that answers as
        Docker's site, a registry, and one booted host with systemd, sshd, sudo and apt. It is a
        Debian tree dressed as Ubuntu 24.04, and the packages are Debian's Docker under the names
        and versions of Docker's own, so its daemon says 26.1.5. Nothing in it reaches the
        internet.""")
    print(flush=True)
    try:
        with Lab.start("demo" if keep else None) as lab:
            host = lab.host("web1", "ubuntu-24.04")
            print(paint(DIM, f"web1 is up after {time.monotonic() - begun:.1f} s"), flush=True)
            story = Story(lab, host)
            tell_all(story)
            took = time.monotonic() - begun
            print("\n" + paint(GREEN, f"✓ web1 is a verified Docker host. {took:.0f} s in all."))
            if keep:
                play(lab, story.pin)
            print(flush=True)
    except (DemoError, LabError) as error:
        print("\n" + paint(RED, f"✗ {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
