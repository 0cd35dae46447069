"""The GPU part of the host program, run for real with drivers and daemons made up."""

from __future__ import annotations

import re

import pytest

from tests.unit.shell import SHELLS, Bench

PARTS = ("journal", "files", "verify", "gpu")
TWO = "GPU 0: H100 (UUID: GPU-a)\nGPU 1: H100 (UUID: GPU-b)"
SPLIT = (
    "GPU 0: H100 (UUID: GPU-a)\n  MIG 3g.40gb Device 0: (UUID: MIG-a)\nGPU 1: H100 (UUID: GPU-b)"
)
SPEC = """---
cdiVersion: 0.5.0
containerEdits:
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.86.15
    hostPath: /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.86.15
  - containerPath: /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- name: GPU-a
  containerEdits: {}
- name: "1"
  containerEdits: {}
- containerEdits: {}
  name: all
kind: nvidia.com/gpu
"""
LOADED = "module_version() { echo 570.86.15; }\n"


def smi(bench: Bench, listing: str, status: int = 0) -> None:
    bench.fake("nvidia-smi", f"cat <<'LIST'\n{listing}\nLIST\nexit {status}")


def fresh(bench: Bench, spec: str, shell: str = "dash") -> bool:
    (bench.top / "spec").write_text(spec)
    return bench.run(f'{LOADED}cdi_fresh "$state/../spec"', *PARTS, shell=shell).status == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_specification_of_the_loaded_driver_with_every_gpu_is_fresh(
    bench: Bench, shell: str
) -> None:
    smi(bench, TWO)
    assert fresh(bench, SPEC, shell)
    assert not fresh(bench, SPEC.replace("570.86.15", "550.54.14"), shell)
    assert not fresh(bench, SPEC.replace('"1"', "GPU-b"), shell)
    assert not fresh(bench, "", shell)
    smi(bench, SPLIT)
    assert not fresh(bench, SPEC, shell)
    assert fresh(bench, SPEC.replace('"0"', '"0:0"'), shell)
    smi(bench, "Failed to initialize NVML", 255)
    assert not fresh(bench, SPEC, shell)


def test_a_specification_is_made_by_the_toolkit_s_unit_or_else_by_its_program(
    bench: Bench,
) -> None:
    smi(bench, TWO)
    spec = bench.top / "spec"
    make = f'{LOADED}make_spec "$state/../spec" "" && cat "$run/receipt"'
    bench.fake("systemctl", f"cat >'{spec}' <<'SPEC'\n{SPEC}SPEC")
    bench.fake("nvidia-ctk", "exit 1")
    done = bench.run(make, *PARTS)
    assert done.status == 0, done
    assert not any(call.startswith("nvidia-ctk") for call in bench.calls())
    assert "file " in done.output
    assert "wrote " in done.output

    spec.unlink()
    bench.fake("systemctl", "exit 5")
    bench.fake("nvidia-ctk", f"cat >'{spec}' <<'SPEC'\n{SPEC}SPEC")
    assert bench.run(make, *PARTS).status == 0
    assert any(call.startswith("nvidia-ctk cdi generate --output=") for call in bench.calls())


def test_a_new_specification_is_taken_back_by_undo_whoever_made_it(bench: Bench) -> None:
    smi(bench, TWO)
    (bench.top / "spec").write_text(SPEC)
    bench.fake("systemctl", "exit 1")
    done = bench.run(f'{LOADED}make_spec "$state/../spec" 1 && cat "$run/receipt"', *PARTS)
    assert re.match(r"file \S+ absent -\nwrote \S+ [0-9a-f]{64}\n", done.output), done
    assert bench.calls() == ["nvidia-smi -L"] * 2


def test_a_specification_that_cannot_be_made_is_no_failure_of_the_install(bench: Bench) -> None:
    smi(bench, "Failed to initialize NVML: Driver/library version mismatch", 18)
    bench.fake("systemctl", "exit 1")
    bench.fake("nvidia-ctk", "exit 1")
    body = f'{LOADED}make_spec "$state/../spec" "" && exit 9\necho "$exit_code: $cause"'
    done = bench.run(body, *PARTS)
    assert "8: driver: kernel module 570.86.15, library" in done.output


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("docker: Error response from daemon: AMD CDI spec not found", "dockerd started before"),
        ('could not select device driver "" with capabilities: [[gpu]]', "dockerd started before"),
        (
            "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all",
            "CDI: no specification",
        ),
        ("unknown or invalid runtime name: nvidia", "dockerd does not know the runtime"),
        ("Failed to initialize NVML: Unknown Error", "device policy"),
        ("Failed to initialize NVML: Driver/library version mismatch", "driver: kernel module"),
        ("couldn't communicate with the NVIDIA driver. Make", "driver: its kernel module"),
        (
            'exec: "nvidia-smi": executable file not found in $PATH',
            "CDI: the specification names no nvidia-smi",
        ),
        ("Cannot connect to the Docker daemon", "daemon down"),
        ("the container has no /dev/nvidia-uvm", "CDI: the specification was made without"),
        ("odd", "unknown"),
    ],
)
def test_words_become_a_cause(bench: Bench, said: str, cause: str) -> None:
    (bench.top / "said").write_text(said)
    done = bench.run(LOADED + 'gpu_cause "$(cat "$state/../said")"', *PARTS)
    assert done.output.startswith(cause)


RUNG = f"""image=ubuntu listing='{TWO}' brief= cause=
checking=dockwright.check=run
gpu_rung 40 '--gpus all' --gpus all
echo "$?|$brief|$cause"
"""


def test_a_rung_holds_where_the_container_has_the_host_s_gpus(bench: Bench) -> None:
    bench.fake("docker", f"cat <<'LIST'\n{TWO}\nLIST")
    done = bench.run(RUNG, *PARTS)
    assert done.output == "0||\n"
    assert done.of("progress") == ["40 verify --gpus all"]
    asked = "--rm --label dockwright.check=run --network none --gpus all ubuntu sh -c nvidia-smi -L"
    (call,) = bench.calls()
    assert call.startswith(f"docker run {asked} && ")
    assert "[ -e /dev/nvidia-uvm ]" in call


def test_a_rung_breaks_where_it_has_others(bench: Bench) -> None:
    bench.fake("docker", f"echo '{TWO.splitlines()[0]}'")
    done = bench.run(RUNG, *PARTS)
    assert "1|by --gpus all a container has other GPUs than the host|CDI" in done.output


def test_other_containers_are_not_put_at_risk_by_a_reload_of_systemd(bench: Bench) -> None:
    bench.fake("docker", '[ "$1" != ps ] || echo 4711')
    bench.fake("systemctl", "exit 0")
    done = bench.run(
        'checking=dockwright.check=run gpus_flag=1; gpu_after_reload && echo "$after"', *PARTS
    )
    assert "other containers run" in done.output
    assert not any(call.startswith("systemctl") for call in bench.calls())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("survivor", "status", "notes"), [("--gpus", 0, 0), ("--device", 0, 1), ("none", 1, 0)]
)
def test_a_container_that_loses_its_gpus_by_a_reload_is_found(
    bench: Bench, survivor: str, status: int, notes: int
) -> None:
    """Containers are named by how they were started; one by --device survives where --gpus does."""
    alive = {"--gpus": "--device|--gpus", "--device": "--device", "none": "nothing"}[survivor]
    bench.fake("systemctl", "exit 0")
    bench.fake(
        "docker",
        f"""case $1 in
  run) case $* in *--gpus*) echo --gpus ;; *) echo --device ;; esac ;;
  exec) case $2 in {alive}) cat <<'LIST'
{TWO}
LIST
  ;; *) echo 'Failed to initialize NVML: Unknown Error'; exit 255 ;; esac ;;
esac""",
    )
    body = f"image=ubuntu listing='{TWO}' brief= cause= gpus_flag=1 checking=dockwright.check=run\ngpu_after_reload"
    done = bench.run(body, *PARTS)
    assert (done.status, len(done.of("note"))) == (status, notes)
    assert "docker rm -f --device --gpus" in bench.calls()


@pytest.mark.parametrize(("born", "seen"), [(-5, True), (5, False)])
def test_a_hook_that_came_after_dockerd_was_not_seen(
    bench: Bench, *, born: int, seen: bool
) -> None:
    bench.fake("stat", f'case "$*" in *docker.pid) echo 100.5 ;; *) echo {100.5 + born} ;; esac')
    assert (bench.run("hook_seen", *PARTS).status == 0) is seen


@pytest.mark.parametrize(("born", "seen"), [("99", True), ("100", False), ("101", False)])
def test_e29_a_birth_in_whole_seconds_is_no_proof_within_that_second(
    bench: Bench, *, born: str, seen: bool
) -> None:
    """uutils prints no fraction of a birth: dockerd may have started before the hook came, or after."""
    bench.fake("stat", f'case "$*" in *docker.pid) echo 100.5 ;; *) echo {born} ;; esac')
    assert (bench.run("hook_seen", *PARTS).status == 0) is seen


def test_where_dockerd_keeps_no_pid_there_trying_tells(bench: Bench) -> None:
    bench.fake("stat", "exit 1")
    assert bench.run("hook_seen", *PARTS).status == 0


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("CUDA driver version is insufficient for CUDA runtime version", "newer than driver 570"),
        ("forward compatibility was attempted on non supported HW", "newer than driver 570"),
        ("no kernel image is available for execution on the device", "other generations"),
        ("no CUDA-capable device is detected", "MIG is on without an instance"),
        ("system not yet initialized", "nvidia-fabricmanager"),
        ("out of memory", "memory is taken"),
        ("all CUDA-capable devices are busy or unavailable", "taken by one process"),
        ("Failed to initialize NVML: Unknown Error", "device policy"),
    ],
)
def test_what_cuda_says_has_a_cause(bench: Bench, said: str, cause: str) -> None:
    done = bench.run(
        f"{LOADED}cuda_cause 'Failed to allocate device vector A (error code {said})!'", *PARTS
    )
    assert cause in done.output
