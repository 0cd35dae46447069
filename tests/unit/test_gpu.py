"""GPU hosts: what they tell, what is planned from it, and in which order."""

from __future__ import annotations

import shlex
import shutil
from typing import Any

import pytest

from dockwright import facts as facts_module
from dockwright.errors import InputError, RefusedError
from dockwright.models import CdiSpec, Facts, FileFact, Nvidia
from dockwright.plan import HostPlan, Verb
from dockwright.profiles import profiles
from dockwright.steps import DaemonJson, NvidiaRuntime, When
from dockwright.steps.apt_sources import parse
from dockwright.steps.cdi_spec import counted, stale
from dockwright.steps.nvidia_shim import TEXT
from dockwright.steps.uniting import united
from tests.unit.making import (
    NONCE,
    answer_of,
    b64,
    changed,
    nvidia_pin,
    pin,
    playbook,
    recorded,
    whole_plan,
)
from tests.unit.shell import SHELLS, Bench

TWO = ("GPU 0: NVIDIA H100 (UUID: GPU-a)", "GPU 1: NVIDIA H100 (UUID: GPU-b)")
SPLIT = (
    TWO[0],
    "  MIG 3g.40gb Device 0: (UUID: MIG-a)",
    "  MIG 3g.40gb Device 1: (UUID: MIG-b)",
    TWO[1],
)


def told(*lines: str) -> Facts:
    begin, end = f"dw1 {NONCE} begin", f"dw1 {NONCE} end"
    return facts_module.read("\n".join([begin, *lines, end, ""]), NONCE, host="web1")


def gpu_plan(facts: Facts, **variables: Any) -> HostPlan:
    pins = {"docker_fingerprint": pin(), "nvidia_fingerprint": nvidia_pin()}
    return whole_plan(facts, "gpu", {**pins, **variables})


# --- facts ----------------------------------------------------------------------------------------


def test_a_bare_gpu_host_is_read() -> None:
    known = recorded("ubuntu-24.04-gpu-bare")
    assert known.gpus == ("0000:01:00.0", "0000:02:00.0")
    nvidia = known.nvidia
    assert (nvidia.bound, nvidia.module, nvidia.library) == (
        ("nvidia", "nvidia"), "570.86.15", "570.86.15",
    )  # fmt: skip
    assert len(nvidia.listing) == 2
    assert {"nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1"} == set(nvidia.nodes)
    assert (nvidia.specs, nvidia.runtimes, nvidia.hook) == ((), (), "")


def test_an_installed_gpu_host_is_read() -> None:
    nvidia = recorded("ubuntu-24.04-gpu").nvidia
    (spec,) = nvidia.specs
    assert (spec.path, spec.driver) == ("/var/run/cdi/nvidia.yaml", "570.86.15")
    assert {"0", "1", "all"} < set(spec.devices)
    assert "nvidia" in nvidia.runtimes
    assert nvidia.hook == "seen"


def test_hosts_without_a_gpu_tell_nothing_of_nvidia() -> None:
    assert recorded("ubuntu-24.04-installed").nvidia == Nvidia()
    assert "nvidia_" not in answer_of("ubuntu-24.04-installed")


def test_what_nvidia_smi_says_when_it_fails_is_no_list() -> None:
    nvidia = told("nvidia_smi 18 " + b64("Failed to initialize NVML:\n version mismatch")).nvidia
    assert nvidia.listing == ()
    assert nvidia.error == "Failed to initialize NVML:  version mismatch"


def test_g16_a_driver_that_may_be_upgraded_unasked_is_told() -> None:
    facts = recorded("ubuntu-24.04-gpu")
    told_so = {**facts.nvidia.model_dump(), "loose": "libnvidia-compute-570"}
    (note,) = gpu_plan(changed(facts, {"nvidia": told_so})).notes
    assert note.endswith("apt-mark hold libnvidia-compute-570")


@pytest.mark.parametrize(
    ("listing", "mig", "idle"),
    [(TWO, [], []), (TWO, [1], [1]), (SPLIT, [0], []), (SPLIT, [0, 1], [1]), ((), [0], [0])],
)
def test_a_gpu_in_mig_mode_without_an_instance_is_told(
    listing: tuple[str, ...], mig: list[int], idle: list[int]
) -> None:
    """nvidia-smi lists it, on the host and in containers, and no program can use it."""
    facts = recorded("ubuntu-24.04-gpu")
    seen = {**facts.nvidia.model_dump(), "listing": listing, "mig": mig}
    notes = gpu_plan(changed(facts, {"nvidia": seen})).notes
    told = [note for note in notes if "MIG" in note]
    assert [note.split()[1] for note in told] == [str(index) for index in idle]
    assert all(f"nvidia-smi mig -i {note.split()[1]} -lgip" in note for note in told)


def test_mig_mode_is_read() -> None:
    assert told("nvidia_mig 0", "nvidia_mig 3").nvidia.mig == (0, 3)


def test_a_deep_verification_runs_the_image_that_computes() -> None:
    facts = recorded("ubuntu-24.04-gpu")
    deep = {"gpu_deep": True, "gpu_deep_image": "cuda-sample"}
    (check,) = [
        one
        for one in whole_plan(facts, "verify", deep, verify=True).actions
        if one.kind == "gpu_check"
    ]
    assert check.params["deep"] == "cuda-sample"
    assert check.reason.endswith("cuda-sample computes")
    (plain,) = [
        one for one in whole_plan(facts, "verify", verify=True).actions if one.kind == "gpu_check"
    ]
    assert plain.params["deep"] == ""


@pytest.mark.parametrize("word", ["seen\x1b[31m", "$(reboot)", "other"])
def test_a_hook_that_was_not_seen_for_certain_was_not_seen(word: str) -> None:
    assert told(f"nvidia_hook {word}").nvidia.hook == "unseen"


def test_g06_containers_of_nvidia_docker_1_are_told_once_each() -> None:
    nvidia = told(
        "old_volume nvidia_driver_367.57",
        "old_container abc trained exited",
        "old_volume nvidia_driver_375.66",
        "old_container abc trained exited",
        "old_container def serv\x1b[31ming running",
    ).nvidia
    assert nvidia.old_volumes == ("nvidia_driver_367.57", "nvidia_driver_375.66")
    assert [(one.id, one.name, one.state) for one in nvidia.old_containers] == [
        ("abc", "trained", "exited"),
        ("def", "serv", "[31ming"),
    ]


# --- what earlier recipes left --------------------------------------------------------------------


def with_key(path: str, *, source: str = "") -> HostPlan:
    """A finished host with NVIDIA's key in a further file, which a source of somebody else may name."""
    facts = recorded("ubuntu-24.04-gpu")
    (key,) = [file for file in facts.keys if "nvidia" in file.path]
    keys = {path: {"content": key.content, "sha256": key.sha256}}
    sources = {"/etc/apt/sources.list.d/own-nvidia.list": source} if source else {}
    return gpu_plan(changed(facts, {"keys": keys, "sources": sources}))


@pytest.mark.parametrize(
    "path", ["/etc/apt/trusted.gpg", "/usr/share/keyrings/nvidia-docker-keyring.gpg"]
)
def test_a_further_file_with_the_key_alone_goes(path: str) -> None:
    (gone,) = with_key(path).changes
    assert (gone.verb, gone.target, gone.params["absent"]) == (Verb.REMOVE, path, True)


def test_a_key_that_a_source_names_stays() -> None:
    path = "/usr/share/keyrings/nvidia-docker-keyring.gpg"
    line = f"deb [signed-by={path}] https://mirror.example.org/nvidia /\n"
    assert with_key(path, source=line).changes == ()
    assert [one.target for one in with_key(path, source=f"# {line}").changes] == [path]


def test_a_key_that_a_mirror_may_rest_on_stays() -> None:
    line = "deb http://mirror.example.org/libnvidia-container/deb /\n"
    assert with_key("/etc/apt/trusted.gpg", source=line).changes == ()
    named = line.replace("deb ", "deb [signed-by=/etc/apt/keyrings/x.asc] ")
    assert len(with_key("/etc/apt/trusted.gpg", source=named).changes) == 1


def test_a_key_file_of_another_name_stays() -> None:
    """Who names it cannot be told: only sources with a vendor's name in them are looked at."""
    assert with_key("/etc/apt/keyrings/site.asc").changes == ()


def test_a_keyring_of_several_is_told_and_stays() -> None:
    """apt-key(8) keeps one file for all; the keys of others are not ours to lose."""
    facts = recorded("ubuntu-24.04-gpu")
    (nvidia,) = [file.content or "" for file in facts.keys if "nvidia" in file.path]
    (docker,) = [file.content or "" for file in facts.keys if "docker" in file.path]
    keys = {"/etc/apt/trusted.gpg": nvidia + docker}
    plan = gpu_plan(changed(facts, {"keys": keys}))
    assert plan.changes == ()
    assert any(f"apt-key del {nvidia_pin()[-8:]}" in note for note in plan.notes)


ALL = "--device nvidia.com/gpu=all"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "gpus", "asked"),
    [
        ("run --rm 'my image' sh -c 'a  b'", "", f"run {ALL} --rm 'my image' sh -c 'a  b'"),
        ("run x", "0,1", "run --device nvidia.com/gpu=0 --device nvidia.com/gpu=1 x"),
        ("-H tcp://run --debug create x", "", f"-H tcp://run --debug create {ALL} x"),
        ("container run x run", "", f"container run {ALL} x run"),
        ("volume create x", "", "volume create x"),
        ("ps", "", "ps"),
        ("", "", ""),
    ],
)
def test_the_command_of_old_asks_for_gpus(
    bench: Bench, shell: str, words: str, gpus: str, asked: str
) -> None:
    (bench.top / "nvidia-docker").write_text(TEXT)
    bench.fake("docker", "for word; do printf '<%s>' \"$word\"; done")
    body = f"NV_GPU={gpus} {shutil.which(shell)} '{bench.top}/nvidia-docker' {words}"
    done = bench.run(body, shell=shell)
    assert done.output == "".join(f"<{word}>" for word in shlex.split(asked))


# --- the CDI specification ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "count"), [((), (0, 0)), (TWO, (2, 0)), (SPLIT, (1, 2)), (SPLIT[:3], (0, 2))]
)
def test_gpus_and_their_parts_are_counted(listing: tuple[str, ...], count: tuple[int, int]) -> None:
    assert counted(listing) == count


@pytest.mark.parametrize(
    ("devices", "driver", "listing", "why"),
    [
        (("0", "GPU-a", "1", "GPU-b", "all"), "570.1", TWO, None),
        (("0", "GPU-a", "all"), "570.1", TWO, "has 1 of 2 devices"),
        (("0", "1", "all"), "550.2", TWO, "is of driver 550.2, and 570.1 is loaded"),
        (("0:0", "0:1", "1", "all"), "570.1", SPLIT, None),
        (("0", "1", "all"), "570.1", SPLIT, "has 2 of 3 devices"),
        (("0", "1", "0:0", "all"), "570.1", TWO, "has 3 of 2 devices"),
        ((), "", (), None),
    ],
)
def test_a_specification_is_stale_by_driver_or_by_devices(
    devices: tuple[str, ...], driver: str, listing: tuple[str, ...], why: str | None
) -> None:
    nvidia = Nvidia(module="570.1", listing=listing)
    facts = recorded("ubuntu-24.04-bare").model_copy(update={"nvidia": nvidia})
    assert stale(CdiSpec(path="/etc/cdi/x", driver=driver, devices=devices), facts) == why


# --- daemon.json ----------------------------------------------------------------------------------


def keys(facts: Facts, **fields: Any) -> dict[str, Any]:
    return NvidiaRuntime(kind="nvidia_runtime", name="register", **fields).wanted(facts)


def test_the_default_runtime_is_changed_only_when_asked() -> None:
    facts = recorded("ubuntu-24.04-gpu")
    assert "default-runtime" not in keys(facts)
    assert keys(facts, default=True)["default-runtime"] == "nvidia"


@pytest.mark.parametrize(
    ("version", "asks"),
    [("25.0.0", True), ("28.2.2", True), ("28.3.0", False), ("29.7.2", False), ("odd", True)],
)
def test_cdi_is_switched_on_for_engines_that_do_not_do_so(version: str, *, asks: bool) -> None:
    facts = changed(recorded("ubuntu-24.04-gpu"), {"daemon": {"version": version}})
    assert ("features" in keys(facts)) is asks


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("nvidia-container-runtime", True),
        ("/usr/bin/nvidia-container-runtime", False),
        ("/x", True),
    ],
)
def test_a_registration_by_another_path_to_the_same_program_stays(path: str, *, ours: bool) -> None:
    text = f'{{"runtimes": {{"nvidia": {{"path": "{path}"}}}}}}'
    facts = changed(recorded("ubuntu-24.04-gpu"), {"files": {"/etc/docker/daemon.json": text}})
    assert ("runtimes" in keys(facts)) is ours


def test_all_merges_of_a_plan_are_one() -> None:
    facts = recorded("ubuntu-24.04-gpu-bare")
    first = DaemonJson(kind="daemon_json", name="merge", keys={"features": {"x": True}})
    other = NvidiaRuntime(kind="nvidia_runtime", name="register")
    left_out = NvidiaRuntime(kind="nvidia_runtime", name="no", when=When(distro=("debian",)))
    parts = united([("engine", [first]), ("toolkit", [other, left_out])], facts)
    assert [(name, [step.name for step in steps]) for name, steps in parts] == [
        ("engine", ["merge"]), ("toolkit", ["no"]),
    ]  # fmt: skip
    (merge,) = parts[0][1]
    assert isinstance(merge, DaemonJson)
    assert merge.keys["features"] == {"x": True, "cdi": True}
    assert "runtimes" in merge.keys


def test_two_values_for_one_key_are_refused() -> None:
    one, other = (
        DaemonJson(kind="daemon_json", name=name, keys={"debug": name == "a"}) for name in "ab"
    )
    with pytest.raises(RefusedError, match="two values for debug"):
        united([("x", [one, other])], recorded("ubuntu-24.04-bare"))


def test_the_file_is_assumed_as_it_is_before_the_first_merge() -> None:
    plan = gpu_plan(recorded("ubuntu-24.04-gpu-bare"), docker_daemon={"debug": True})
    (merge,) = [action for action in plan.actions if action.kind == "daemon_json"]
    assert plan.assumes.files["/etc/docker/daemon.json"] == "absent"
    assert merge.params["keys"] == ["debug", "runtimes", "features"]


# --- order ----------------------------------------------------------------------------------------


def test_nothing_rests_on_packages_that_come_later() -> None:
    """Two components have packages: the services of the first come after the one transaction."""
    kinds = [a.kind for a in gpu_plan(recorded("ubuntu-24.04-gpu-bare")).steps]
    last = len(kinds) - 1 - kinds[::-1].index("packages")
    assert set(kinds[:last]) <= {"packages", "file", "daemon_json"}
    assert kinds[last + 1 :] == [
        "service",
        "cdi_spec",
        "nvidia_hook",
        "container_check",
        "gpu_check",
    ]


def test_a_restart_for_the_hook_takes_the_new_daemon_json_along() -> None:
    facts = recorded("ubuntu-24.04-gpu")
    later = changed(
        facts,
        {
            "nvidia": {**facts.nvidia.model_dump(), "hook": "unseen"},
            "files": {"/etc/docker/daemon.json": None},
        },
    )
    plan = gpu_plan(later)
    (restart,) = [a for a in plan.actions if a.kind in ("reload", "nvidia_hook")]
    assert (restart.kind, restart.verb) == ("nvidia_hook", Verb.RESTART)


# --- sources, and what is not there ---------------------------------------------------------------


def test_apt_s_word_for_the_architecture_is_read_as_apt_reads_it() -> None:
    text = (
        "deb [signed-by=/k.gpg] https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /\n"
    )
    file = FileFact(path="/a.list", sha256="", mode="0644", owner="root:root", content=text)
    ours = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"
    assert parse(file, "amd64").only(ours)
    assert not parse(file, "arm64").names(ours)


def test_a_file_cannot_ask_whether_the_empty_package_is_still_there() -> None:
    with pytest.raises(InputError, match="there is no file of it"):
        profiles(playbook("nvidia-docker2"), ["ubuntu:24.04:amd64"])
