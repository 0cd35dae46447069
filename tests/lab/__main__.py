"""The lab's command line; ``script/lab`` calls it."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from tests.lab.dress import DRESSES
from tests.lab.keeper import sweep, work_dir
from tests.lab.lab import Lab
from tests.lab.machine import LabError
from tests.lab.parts import cache_dir, clean


def _up(args: argparse.Namespace) -> int:
    lab = Lab.start(args.name, detach=args.detach)
    print(f"lab {lab.name} is up in {lab.dir}")
    print(f"  sudo password of pat: {lab.password}")
    print(f"  vendor key:           {lab.fingerprint}")
    print(f"  nvidia key:           {lab.nvidia_fingerprint}", flush=True)
    if not args.detach:
        with lab:
            try:
                signal.pause()
            except KeyboardInterrupt:
                print()
    return 0


def _down(args: argparse.Namespace) -> int:
    Lab.attach(args.name).stop()
    return 0


def _host(args: argparse.Namespace) -> int:
    host = Lab.attach(args.name).host(
        args.host, args.dress, python=args.python, gpu=args.gpu,
        fat=args.fat, systemd=not args.bare_init,
    )  # fmt: skip
    print(f"{host.name} {host.address} {host.dress}")
    return 0


def _shell(args: argparse.Namespace) -> int:
    host = Lab.attach(args.name).get(args.host)
    leader = host.leader()
    if leader is None:
        raise LabError(f"{host.name} is off")
    argv = ["nsenter", "-t", str(leader), "-a", "--", "env", "-i"]
    argv += [f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root", "bash", "-l"]
    os.execvp(argv[0], argv)


def _run(args: argparse.Namespace) -> int:
    lab = Lab.attach(args.name)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    return lab.popen(command or ["bash"], stdin=None, stdout=None, stderr=None, job=False).wait()


def _status(args: argparse.Namespace) -> int:
    sweep()
    for path in sorted(work_dir().glob("*/lab.json")):
        lab = Lab.attach(path.parent.name)
        print(f"{lab.name}: init {lab.init}, {lab.dir}")
        for name in lab.hosts:
            host = lab.get(name)
            print(
                f"  {name:<12} {host.address:<13} {host.dress:<14}",
                "on" if host.leader() else "off",
            )
    return 0


def _clean(args: argparse.Namespace) -> int:
    if cache_dir().exists() and not clean():
        raise LabError("a lab still uses the cache; take it down first")
    return 0


def main() -> int:
    """Parse the command line and do what it asks."""
    parser = argparse.ArgumentParser(prog="script/lab", description="Test hosts for Dockwright.")
    parser.add_argument("--name", default="default", help="which lab (default: %(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    up = verbs.add_parser("up", help="start a lab; ends with Ctrl-C")
    up.add_argument("--detach", action="store_true", help="leave it running until `down`")
    up.set_defaults(do=_up)
    host = verbs.add_parser("host", help="boot a fresh host")
    host.add_argument("host", metavar="NAME")
    host.add_argument("--dress", default="ubuntu-24.04", choices=sorted(DRESSES))
    host.add_argument("--python", action="store_true", help="with Python and Dockwright in it")
    host.add_argument("--gpu", action="store_true", help="with a stand-in of NVIDIA's driver")
    host.add_argument("--fat", action="store_true", help="with what makes real servers slow")
    host.add_argument("--bare-init", action="store_true", help="a shell script as process 1")
    host.set_defaults(do=_host)
    shell = verbs.add_parser("shell", help="a root shell in a host")
    shell.add_argument("host", metavar="NAME")
    shell.set_defaults(do=_shell)
    run = verbs.add_parser("run", help="run a command (default: a shell) as the controller")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    run.set_defaults(do=_run)
    verbs.add_parser("down", help="end a lab and remove its files").set_defaults(do=_down)
    verbs.add_parser("status", help="list labs and hosts").set_defaults(do=_status)
    verbs.add_parser("clean", help="drop the cache").set_defaults(do=_clean)
    args = parser.parse_args()
    try:
        return int(args.do(args))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
