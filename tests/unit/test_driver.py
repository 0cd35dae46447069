"""Which driver a GPU gets, from which packages, and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dockwright import facts as facts_module
from dockwright.app import rebooting
from dockwright.app.run import Prepared, Request
from dockwright.cli.resuming import resume_words
from dockwright.errors import InputError, RefusedError, UnreachableError
from dockwright.events import Failed, PhaseFinished
from dockwright.models import Facts, Host
from dockwright.plan import HostPlan, Verb
from dockwright.profiles import profiles
from dockwright.steps import ARCHIVE, Offer
from dockwright.steps.driver_choice import Choice, choose
from dockwright.steps.gpu_generation import generation
from dockwright.steps.nvidia_driver import KEEP_PATH
from tests.fakes import FakeTransport
from tests.unit.making import NONCE, changed, nvidia_pin, pin, plan_for, playbook, recorded
from tests.unit.shell import SHELLS, Bench

NOBLE, TRIXIE = "6.8.0-45-generic", "6.12.57-amd64"
H100, RTX5090, V100, GTX970, T4 = "0x2330", "0x2b85", "0x1db1", "0x13c2", "0x1eb8"


def on(
    distro: str = "ubuntu",
    devices: tuple[str, ...] = (H100,),
    kernel: str = "",
    **nvidia: Any,
) -> Facts:
    """A host with GPUs and no driver."""
    name = "ubuntu-24.04-bare" if distro == "ubuntu" else "debian-13-bare"
    running = kernel or (NOBLE if distro == "ubuntu" else TRIXIE)
    bound = ["-"] * len(devices)
    return changed(
        recorded(name),
        {
            "kernel": running,
            "gpus": [f"0000:0{n}:00.0" for n in range(len(devices))],
            "nvidia": {"bound": bound, "devices": list(devices), **nvidia},
        },
    )


def ubuntu(*branches: str, dkms: tuple[str, ...] = (), kernel: str = NOBLE) -> dict[str, Any]:
    """What restricted offers: all kinds of modules for each track of ``branches``, signed; DKMS of ``dkms``."""
    offered: dict[str, tuple[str, ...]] = {f"linux-headers-{kernel}": ("1",)}
    for track in (*branches, *dkms):
        offered[f"nvidia-utils-{track}"] = ("1",)
        for part in (track, f"{track}-open"):
            names = [f"nvidia-dkms-{part}", f"nvidia-driver-{part}", f"nvidia-headless-{part}"]
            if track in branches:
                names += [
                    f"linux-modules-nvidia-{part}-{flavour}"
                    for flavour in (kernel, "generic", "generic-hwe-24.04", "aws")
                ]
                names.append(f"nvidia-headless-no-dkms-{part}")
            offered |= dict.fromkeys(names, ("1",))
    return offered


def debian(number: str = "550.163.01-2", kernel: str = TRIXIE, **more: str) -> dict[str, Any]:
    names = (
        "nvidia-driver",
        "nvidia-kernel-dkms",
        "nvidia-open-kernel-dkms",
        "nvidia-smi",
        "libcuda1",
    )
    offered = dict.fromkeys((*names, "firmware-nvidia-gsp"), (number,))
    headers = {f"linux-headers-{kernel}": ("1",), "linux-headers-amd64": ("1",)}
    return {**offered, **headers, **{name: (version,) for name, version in more.items()}}


TESLA = {
    f"nvidia-tesla-470-{name}": "470.256.02-2" for name in ("driver", "kernel-dkms", "smi")
} | {"libnvidia-tesla-470-cuda1": "470.256.02-2"}


# --- generations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("0x0de1", "older than Kepler"), ("0x102d", "Kepler"), ("0x1005", "Kepler"),
        ("0x1380", "Maxwell"), (GTX970, "Maxwell"), ("0x17c8", "Maxwell"), ("0x15f7", "Pascal"),
        ("0x1b80", "Pascal"), ("0x1d01", "Pascal"), (V100, "Volta"), ("0x1e04", "Turing"), (T4, "Turing"),
        ("0x2182", "Turing"), ("0x20b0", "Ampere"), ("0x2204", "Ampere"), ("0x2484", "Ampere"),
        (H100, "Hopper"), ("0x2684", "Ada"), ("0x26b5", "Ada"), ("0x2901", "Blackwell or newer"),
        (RTX5090, "Blackwell or newer"), ("0x3182", "Blackwell or newer"), ("?", "Blackwell or newer"),
    ],
)  # fmt: skip
def test_a_generation_by_its_pci_id(device: str, name: str) -> None:
    """The GPUs: GT 440, K80, GTX Titan, GTX 750 and 970, Titan X, P100, GTX 1080, GT 1030, V100, RTX 2080 Ti, T4, ..."""
    assert generation(device).name == name


# --- the choice -----------------------------------------------------------------------------------

BOTH = ("535", "535-server", "570", "570-server")


@pytest.mark.parametrize(
    ("facts", "offered", "wish", "branch", "packages"),
    [
        # a server: the newest of the servers' branches, open where both kinds serve
        (on(), ubuntu(*BOTH), "auto", "570-server-open", ["nvidia-headless-no-dkms-570-server-open", "nvidia-utils-570-server"]),
        (on(), ubuntu("570", "580"), "auto", "580-open", ["nvidia-headless-no-dkms-580-open", "nvidia-utils-580"]),
        (on(devices=(RTX5090,)), ubuntu(*BOTH), "auto", "570-server-open", []),
        (on(devices=(V100,)), ubuntu(*BOTH), "auto", "570-server", ["nvidia-utils-570-server"]),
        (on(devices=(V100,)), ubuntu("580", "590", "590-server"), "auto", "580", []),
        (on(devices=(GTX970, V100)), ubuntu(*BOTH), "auto", "570-server", []),
        (on(devices=(T4,)), ubuntu("535-server"), "auto", "535-server", []),  # open ones are young there
        # a branch that is named, and its variants
        (on(), ubuntu(*BOTH), "535", "535-server", ["nvidia-headless-no-dkms-535-server"]),
        (on(), ubuntu(*BOTH), "535-open", "535-server-open", []),
        (on(), ubuntu("570"), "570", "570-open", []),
        # a desktop: its libraries, too; the metapackage keeps DKMS away
        (on(desktop=True, kernels=["linux-image-generic-hwe-24.04"]), ubuntu(*BOTH), "auto", "570-open",
         ["linux-modules-nvidia-570-open-generic-hwe-24.04", "nvidia-driver-570-open", "nvidia-utils-570"]),
        (on(desktop=True), ubuntu(*BOTH), "auto", "570-open", ["nvidia-headless-no-dkms-570-open"]),
        # what brings new kernels brings their modules; another flavour's does not
        (on(kernels=["linux-image-generic", "linux-image-aws"]), ubuntu(*BOTH), "auto", "570-server-open",
         ["linux-modules-nvidia-570-server-open-generic"]),
        # signed modules go before a newer branch that DKMS would build
        (on(), ubuntu("535-server", dkms=("570-server",)), "auto", "535-server", []),
        (on(secure_boot=True), ubuntu("535-server", dkms=("570-server",)), "auto", "535-server", []),
        (on(), ubuntu(dkms=("570-server",)), "auto", "570-server-open", ["nvidia-dkms-570-server-open", f"linux-headers-{NOBLE}"]),
        # Debian: DKMS alone
        (on("debian"), debian(), "auto", "550", ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1", f"linux-headers-{TRIXIE}", "firmware-nvidia-gsp"]),
        (on("debian", kernels=["linux-image-amd64"]), debian(), "auto", "550", ["linux-headers-amd64"]),
        (on("debian", kernels=["linux-image-cloud-amd64"]), debian(), "auto", "550", []),
        (on("debian"), debian(), "550-open", "550-open", ["nvidia-open-kernel-dkms"]),
        (on("debian"), debian("570.1-1"), "auto", "570-open", ["nvidia-open-kernel-dkms"]),
        (on("debian", devices=(V100,)), debian("570.1-1"), "auto", "570", ["nvidia-kernel-dkms"]),
        (on("debian", desktop=True), debian(), "auto", "550", ["nvidia-driver", "nvidia-kernel-dkms"]),
        (on("debian", devices=("0x102d",)), debian(**TESLA), "auto", "470", ["nvidia-tesla-470-kernel-dkms", "nvidia-tesla-470-smi"]),
    ],
)  # fmt: skip
def test_the_driver_for_a_host(
    facts: Facts, offered: dict[str, Any], wish: str, branch: str, packages: list[str]
) -> None:
    choice = choose(facts, offered, wish)
    assert choice.branch == branch
    assert set(packages) <= set(choice.packages)
    assert set(choice.packages) <= set(offered)
    signed = [name for name in choice.packages if name.startswith("linux-modules-nvidia-")]
    built = [name for name in choice.packages if "-dkms" in name and "no-dkms" not in name]
    assert bool(signed) != bool(built)
    assert choice.modules.startswith("signed" if signed else "modules built on the host by DKMS")
    if not signed:
        assert any(name.startswith("linux-headers-") for name in choice.packages)


def test_another_flavour_of_kernel_brings_no_modules() -> None:
    choice = choose(on(kernels=["linux-image-aws"]), ubuntu(*BOTH), "auto")
    assert not any(name.endswith("-aws") for name in choice.packages)


@pytest.mark.parametrize(
    ("facts", "offered", "wish", "words"),
    [
        (on(), {f"linux-headers-{NOBLE}": ("1",)}, "auto", ["restricted", "add-apt-repository -y restricted"]),
        (on("debian"), {}, "auto", ["non-free", "contrib non-free non-free-firmware"]),
        (on(), ubuntu(*BOTH), "600", ["no driver 600", "570-server-open", "name one"]),
        (on(devices=(RTX5090,)), ubuntu("535", "535-server"), "auto", ["the open modules", "570 or newer"]),
        (on(devices=(V100,)), ubuntu("590"), "auto", ["the closed modules", "580 or older"]),
        (on(devices=("0x102d",)), ubuntu(*BOTH), "auto", ["Kepler", "470 or older"]),
        (on(devices=(V100, RTX5090)), ubuntu(*BOTH), "auto", ["no one driver", "Volta and Blackwell"]),
        (on(kernel="6.9.1-mine"), ubuntu(*BOTH), "auto", ["6.9.1-mine", "no modules for this kernel"]),
        (on(secure_boot=True), ubuntu(dkms=("570-server",)), "auto", ["Secure Boot", "update-secureboot-policy --enroll-key"]),
        (on(secure_boot=True), ubuntu("570", dkms=("535",)), "535", ["Secure Boot", "nvidia-headless-535"]),
        (on("debian", secure_boot=True), debian(), "auto", ["Secure Boot", "mokutil --import /var/lib/dkms/mok.pub"]),
        (on("debian"), debian(), "570", ["no driver 570", "550"]),
    ],
)  # fmt: skip
def test_there_is_none(facts: Facts, offered: dict[str, Any], wish: str, words: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        choose(facts, offered, wish)
    error = caught.value
    told = "\n".join((error.brief, *(text for _, text in error.details), error.next_step or ""))
    for word in words:
        assert word in told, told


def test_a_choice_is_what_was_chosen_before() -> None:
    """The same host and archive lead to the same packages in the same order."""
    first = choose(on(kernels=["linux-image-generic"]), ubuntu(*BOTH), "auto")
    shuffled = dict(reversed(ubuntu(*BOTH).items()))
    assert choose(on(kernels=["linux-image-generic"]), shuffled, "auto") == first
    assert isinstance(first, Choice)


# --- facts and plan -------------------------------------------------------------------------------


def test_a_host_tells_what_a_driver_has_to_fit() -> None:
    begin, end = f"dw1 {NONCE} begin", f"dw1 {NONCE} end"
    lines = [
        begin, "gpu 0000:01:00.0 0x2330 nouveau", "nvidia_built 1",
        "kernel_package linux-image-generic", "desktop 1", end, "",
    ]  # fmt: skip
    nvidia = facts_module.read("\n".join(lines), NONCE, host="web1").nvidia
    assert (nvidia.devices, nvidia.bound) == (("0x2330",), ("nouveau",))
    assert (nvidia.built, nvidia.kernels, nvidia.desktop) == (True, ("linux-image-generic",), True)


def archive(offered: dict[str, Any]) -> dict[str, Offer]:
    return {ARCHIVE: Offer(id=ARCHIVE, key="", fingerprint="", versions=offered)}


def plan(facts: Facts, offered: dict[str, Any] | None = None, **variables: Any) -> HostPlan:
    pins = {"docker_fingerprint": pin(), "nvidia_fingerprint": nvidia_pin()}
    offers = archive(offered) if offered is not None else None
    return plan_for(facts, "gpu", {**pins, **variables}, offers)[0]


def test_a_driver_is_planned_before_all_else() -> None:
    asks = plan(on(), driver="auto")
    assert asks.unresolved == (ARCHIVE,)
    assert not asks.actions
    made = plan(on(), ubuntu(*BOTH), driver="auto", driver_keep=True)
    assert made.preliminary
    assert "planned after that" in made.notes[-1]
    assert [one.kind for one in made.actions] == ["packages", "file", "driver_load"]
    assert made.actions[0].reason == f"driver 570-server-open: signed modules for {NOBLE}"
    assert made.actions[1].target == KEEP_PATH
    assert {one.name for one in made.transaction.changes} == set(made.actions[0].params["packages"])
    assert not made.destructive


def test_packages_that_are_there_are_not_asked_for() -> None:
    there = changed(on(), {"packages": {f"linux-modules-nvidia-570-server-open-{NOBLE}": "1"}})
    names = [one.name for one in plan(there, ubuntu(*BOTH), driver="auto").transaction.changes]
    assert names == ["nvidia-headless-no-dkms-570-server-open", "nvidia-utils-570-server"]


@pytest.mark.parametrize(
    ("nvidia", "variables", "why"),
    [
        ({"module": "570.86.15", "library": "570.86.15"}, {"driver": "auto"}, "570.86.15 is loaded, and kept"),
        ({"bound": ["vfio-pci"]}, {"driver": "auto"}, "kept for virtual machines"),
    ],
)  # fmt: skip
def test_a_driver_is_left_alone(
    nvidia: dict[str, Any], variables: dict[str, Any], why: str
) -> None:
    facts = on(**nvidia) if "bound" not in nvidia else changed(on(), {"nvidia": nvidia})
    if "bound" in nvidia:
        with pytest.raises(RefusedError) as caught:
            plan(facts, **variables)
        assert why.split()[-2:] == caught.value.brief.split()[-2:]
        return
    made = plan(facts, **variables)
    assert not made.preliminary
    assert made.actions[0].verb is Verb.KEEP
    assert made.actions[0].reason == why


def test_another_branch_does_not_replace_one_that_works() -> None:
    there = on(module="570.86.15", library="570.86.15")
    assert any("branch 580" in note for note in plan(there, driver="580").notes)
    assert not any("branch" in note for note in plan(there, driver="570").notes)


def test_a_half_driver_is_made_whole_by_its_own_branch() -> None:
    """The kernel was upgraded by hand: no modules for it are there, and the library is of 535."""
    made = plan(on(library="535.183.01"), ubuntu(*BOTH), driver="auto")
    assert made.actions[0].reason.startswith("driver 535-server: ")
    half = changed(on(library="535.183.01"), {"packages": {"nvidia-utils-535": "535.183.01-1"}})
    assert plan(half, ubuntu(*BOTH), driver="auto").actions[0].reason.startswith("driver 535: ")
    loaded = plan(on(library="535.183.01", built=True), driver="auto")
    assert [one.kind for one in loaded.actions] == ["driver_load"]
    assert loaded.preliminary


def test_g03_nouveau_takes_a_reboot_and_that_takes_a_yes() -> None:
    facts = changed(on(), {"containers": [{"id": "1", "name": "app", "image": "ubuntu"}]})
    nouveau = changed(facts, {"nvidia": {**facts.nvidia.model_dump(), "bound": ["nouveau"]}})
    ends = plan(nouveau, ubuntu(*BOTH), driver="auto")
    (load,) = [one for one in ends.actions if one.kind == "driver_load"]
    assert load.verb is Verb.CHANGE
    assert "--reboot" in load.reason
    assert not ends.stops
    boots = plan(nouveau, ubuntu(*BOTH), driver="auto", reboot=True)
    (load,) = [one for one in boots.actions if one.kind == "driver_load"]
    assert load.verb is Verb.RESTART
    assert boots.stops == ("app",)  # as any restart: --allow-restart, else 9
    there = {**nouveau.nvidia.model_dump(), "library": "570.86.15", "built": True}
    with pytest.raises(RefusedError, match="waits for a reboot") as caught:
        plan(changed(nouveau, {"nvidia": there}), driver="auto")
    assert "--reboot" in (caught.value.next_step or "")


def test_without_the_option_a_driver_is_named_and_not_installed() -> None:
    with pytest.raises(RefusedError) as caught:
        plan(on())
    assert "dockwright install --gpu --driver auto web1" in (caught.value.next_step or "")


# --- on the host ----------------------------------------------------------------------------------


LOAD = """
boot_id() {{ echo {boot}; }}
module_version() {{ echo 570.86.15; }}
nouveau_bound() {{ {nouveau}; }}
driver_works() {{ {works}; }}
module_for_another_kernel() {{ {other}; }}
mkdir -p "$state"
if load_driver "{may}"; then echo "rc 0 due ${{reboot_due-}}"; else echo "rc 1 brief $brief cause $cause"; fi
cat "$run/said" 2>/dev/null
ls "$state"
"""


def load(bench: Bench, **words: str) -> str:
    usual = {"boot": "one", "nouveau": "false", "works": "true", "other": "false", "may": ""}
    return bench.run(LOAD.format(**{**usual, **words}), "journal", "gpu", "driver").output


@pytest.mark.parametrize("shell", SHELLS[:1])
def test_a_module_is_loaded_at_once(bench: Bench, shell: str) -> None:
    bench.fake("modprobe", "exit 0")
    told = load(bench)
    assert "rc 0 due \n" in told
    assert "no reboot was needed" in told
    assert bench.calls() == ["modprobe nvidia", "modprobe nvidia-uvm"]


@pytest.mark.parametrize("words", [{"nouveau": "true"}, {"other": "true"}])
def test_a_reboot_is_ordered_once(bench: Bench, words: dict[str, str]) -> None:
    bench.fake("modprobe", "echo 'modprobe: FATAL: Module nvidia not found'; exit 1")
    assert "works after a reboot" in load(bench, **words)
    due = load(bench, may="yes", **words)
    assert "the host reboots" in due
    assert "driver-boot" in due
    assert "rc 0" in load(bench, may="yes", **words)  # cut before it: the boot is the same yet
    helped = load(bench, may="yes", boot="two", **words)
    assert "has booted for NVIDIA's driver, and it is not loaded yet" in helped
    assert "driver-boot" not in helped


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("could not insert 'nvidia': Key was rejected by service", "Secure Boot"),
        ("FATAL: Module nvidia not found in directory /lib/modules/6", "dkms status"),
        ("could not insert 'nvidia': No such device", "journalctl -k"),
    ],
)
def test_g04_a_module_that_no_reboot_would_load(bench: Bench, said: str, cause: str) -> None:
    bench.fake("modprobe", f'echo "modprobe: {said}" >&2; exit 1')
    told = load(bench, may="yes")
    assert "rc 1 brief NVIDIA's driver is installed, and its module cannot be loaded" in told
    assert cause in told
    assert said in told


def test_g05_a_driver_that_is_loaded_and_does_not_work(bench: Bench) -> None:
    """Its modules are of another package than its library."""
    bench.fake("modprobe", "exit 0")
    told = load(bench, works="echo 'Driver/library version mismatch'; false")
    assert "rc 1 brief NVIDIA's driver is loaded, and does not work" in told


# --- the boot in between --------------------------------------------------------------------------


def answers(*boots: str) -> list[FakeTransport | UnreachableError]:
    """Hosts as they answer one after the other: by a boot's id, or not at all."""
    from tests.fakes import FakeChannel

    def channel(boot: str) -> Any:
        def answer(script: str) -> FakeChannel:
            nonce = script.split("dw1 ")[1].split(maxsplit=1)[0]
            return FakeChannel([f"Last login\ndw1 {nonce} {boot}.\n".encode()])

        return answer

    return [
        FakeTransport(answers=[channel(boot)]) if boot else UnreachableError("refused")
        for boot in boots
    ]


def test_a_new_boot_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers while it goes down, then not at all, then from the new boot; then it is planned for."""
    monkeypatch.setattr(rebooting, "_PAUSE", 0.0)
    monkeypatch.setattr("dockwright.app.back.prepare", lambda *_: iter(()))
    hosts = answers("one", "", "one", "", "", "two")
    seen = list(hosts)

    def connect(_: Host) -> Any:
        found = hosts.pop(0)
        if isinstance(found, UnreachableError):
            raise found
        return found

    stage = rebooting.prepare_after({"web1": "one"})
    prepared = Prepared(host=Host(name="web1", address="web1"))
    told = list(stage(prepared, Request(command="install"), connect))
    assert [one.phase for one in told if isinstance(one, PhaseFinished)] == ["reboot"]
    assert not hosts
    assert all(one.closed for one in seen if isinstance(one, FakeTransport))


def test_a_host_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebooting, "LONGEST", 0.0)
    stage = rebooting.prepare_after({"web1": "one"})
    prepared = Prepared(host=Host(name="web1", address="web1"))
    told = list(stage(prepared, Request(command="install"), lambda _: pytest.fail("asked")))[-1]
    assert isinstance(told, Failed)
    assert (told.exit, told.changed_host) == (6, True)
    assert prepared.finished


# --- what people type -----------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [{"driver": "auto"}, {"driver_keep": True}])
def test_no_file_is_made_with_a_driver(variables: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="there is no file of it"):
        profiles(playbook("gpu", variables), ["ubuntu:24.04:amd64"])


@pytest.mark.parametrize("branch", ["newest", "57", "570-desktop", "570; reboot", "570\n"])
def test_a_branch_is_a_number_with_its_variants(branch: str) -> None:
    with pytest.raises(InputError):
        plan(on(), driver=branch)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["/usr/bin/dockwright", "install", "--gpu", "--reboot", "-K", "local"],
         "install --gpu --reboot local --no-input --yes"),
        (["x/dockwright/__main__.py", "apply", "gpu", "-y", "--set", "a=it's"],
         "apply gpu -y --set 'a=it'\"'\"'s' --no-input"),
        (["/usr/bin/dockwright", "install", "--proxy-file", "-", "local"], ""),
        (["/usr/bin/pytest", "install"], ""),
    ],
)  # fmt: skip
def test_e31_the_command_that_goes_on_after_a_reboot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: list[str], line: str
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setenv("DOCKWRIGHT_INVENTORY", "hosts of mine.yaml")
    monkeypatch.chdir(tmp_path)
    lines = resume_words().splitlines()
    assert lines[-1:] == ([f"exec {sys.executable} -m dockwright {line}"] if line else [])
    if line:
        assert lines[0] == f"cd {tmp_path} || exit"
        assert "export DOCKWRIGHT_INVENTORY='hosts of mine.yaml'" in lines
