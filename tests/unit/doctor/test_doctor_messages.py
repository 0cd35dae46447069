"""Messages as programs print them, to the entry of the catalogue that explains them."""

from __future__ import annotations

import pytest

from dockwright.doctor.catalogue import BY_ID, CATALOGUE, explain
from dockwright.doctor.checks import ASKED

DAEMON = "docker: Error response from daemon: "
RUNC = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
HOOK = f"{DAEMON}{RUNC}unable to start container process: error during container init: error running prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n"
LOCK = "/var/lib/dpkg/lock-frontend"

MESSAGES = [
    # GPUs
    (f'{DAEMON}could not select device driver "" with capabilities: [[gpu]].', "no-device-driver"),
    (f'{DAEMON}could not select device driver "nvidia" with capabilities: [[gpu]]', "no-device-driver"),
    (f"{DAEMON}AMD CDI spec not found", "no-device-driver"),
    (f'{DAEMON}could not select device driver "cdi" with capabilities: []', "cdi-off"),
    (f"{DAEMON}unknown or invalid runtime name: nvidia.", "unknown-runtime"),
    (f"{DAEMON}Unknown runtime specified nvidia.", "unknown-runtime"),
    ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95", "driver-mismatch"),
    (f"{HOOK}nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown.", "driver-mismatch"),
    ("Failed to initialize NVML: Unknown Error", "nvml-unknown"),
    ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.", "driver-not-loaded"),
    (f"{HOOK}nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.", "driver-not-loaded"),
    (f"{HOOK}nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: unknown.", "no-driver"),
    ("bash: nvidia-smi: command not found", "no-driver"),
    ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "secure-boot"),
    ("modprobe: ERROR: could not insert 'nvidia': Required key not available", "secure-boot"),
    ("ERROR: The Nouveau kernel driver is currently in use by your system.", "nouveau"),
    (f"{HOOK}nvidia-container-cli: mount error: stat failed: /dev/nvidia-uvm: no such file or directory: unknown", "uvm-missing"),
    (f"{DAEMON}CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all", "cdi-unresolvable"),
    (f'{DAEMON}{RUNC}unable to start container process: exec: "nvidia-smi": executable file not found in $PATH: unknown.', "cdi-stale"),
    (f"{DAEMON}{RUNC}failed to fulfil mount request: open /usr/lib/x86_64-linux-gnu/libcuda.so.570.86: no such file or directory", "cdi-stale"),
    (f'{DAEMON}{RUNC}exec: "nvidia-container-runtime-hook": executable file not found in $PATH', "runtime-file-missing"),
    (f"{HOOK}nvidia-container-cli: mount error: cgroup subsystem devices not found: unknown.", "no-cgroups"),
    (f"{HOOK}nvidia-container-cli: mount error: failed to add device rules: unable to find any existing device filters attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown.", "no-cgroups"),
    ("Failed to initialize NVML: Driver Not Loaded", "driver-not-loaded"),
    (f"{HOOK}nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a newer version, or use an earlier cuda container: unknown", "driver-too-old"),
    ("CUDA driver version is insufficient for CUDA runtime version", "driver-too-old"),
    ("Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU", "gpu-lost"),
    ("NVRM: GPU at PCI:0000:01:00: GPU has fallen off the bus.", "gpu-lost"),
    (f"{HOOK}nvidia-container-cli: device error: 3: unknown device: unknown", "gpu-unknown"),
    ("Failed to initialize NVML: GPU access blocked by the operating system", "wsl-blocked"),
    ("No devices were found", "no-devices"),
    (f"{DAEMON}manifest for nvidia/cuda:latest not found: manifest unknown: manifest unknown.", "cuda-image-gone"),
    (f'{DAEMON}failed to resolve reference "docker.io/nvidia/cuda:9.0-base": docker.io/nvidia/cuda:9.0-base: not found', "cuda-image-gone"),
    ("sudo: nvidia-docker: command not found", "nvidia-docker-gone"),
    (f'{DAEMON}{RUNC}unable to start container process: unable to apply cgroup configuration: unable to start unit "docker-86bd.scope": got `failed`: unknown.', "cgroups-read-only"),
    # apt and dpkg
    ("# Unsupported distribution!\n# Check https://nvidia.github.io/nvidia-docker", "page-as-list"),
    ("Warning: The unit file, source configuration file or drop-ins of docker.service changed on disk. Run 'systemctl daemon-reload' to reload units.", "unit-changed"),
    ("E: Conflicting values set for option Signed-By regarding source https://download.docker.com/linux/ubuntu/ noble: /etc/apt/keyrings/docker.gpg != /etc/apt/keyrings/docker.asc\nE: The list of sources could not be read.", "signed-by-conflict"),
    ("E: Conflicting values set for option Signed-By regarding source https://nvidia.github.io/libnvidia-container/stable/deb/amd64/ /: /usr/share/keyrings/nvidia-container-toolkit-keyring.gpg != \nE: The list of sources could not be read.", "signed-by-conflict"),
    ("E: Type '<!doctype' is not known on line 1 in source list /etc/apt/sources.list.d/nvidia-docker.list\nE: The list of sources could not be read.", "page-as-list"),
    ("E: Unable to parse package file /etc/apt/sources.list.d/docker.sources (1)", "page-as-list"),
    ("E: Malformed entry 1 in list file /etc/apt/sources.list.d/docker.list (Component)", "source-malformed"),
    ("E: Malformed stanza 1 in source list /etc/apt/sources.list.d/docker.sources (type)", "source-malformed"),
    ("E: The list of sources could not be read.", "source-malformed"),
    ("W: GPG error: https://download.docker.com/linux/ubuntu noble InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 7EA0A9C3F273FCD8\nE: The repository 'https://download.docker.com/linux/ubuntu noble InRelease' is not signed.", "no-pubkey"),
    ("Err:5 https://download.docker.com/linux/debian trixie InRelease\n  Sub-process /usr/bin/sqv returned an error code (1), error message is: Missing key D3306A018370199E527AE7997EA0A9C3F273FCD8, which is needed to verify signature.", "no-pubkey"),
    ("E: The repository 'https://download.docker.com/linux/debian noble Release' does not have a Release file.", "no-release"),
    ("E: Unable to locate package docker-ce", "not-locatable"),
    ("E: Package 'docker-ce' has no installation candidate", "not-locatable"),
    ("E: Version '5:28.5.0-1~ubuntu.24.04~noble' for 'docker-ce' was not found", "version-not-found"),
    ("E: Failed to fetch https://download.docker.com/linux/ubuntu/dists/noble/pool/stable/amd64/containerd.io_2.2.1-1~ubuntu.24.04~noble_amd64.deb  404  Not Found [IP: 1.2.3.4 443]", "archive-gone"),
    (" nvidia-container-toolkit : Depends: nvidia-container-toolkit-base (= 1.17.8-1) but 1.20.1-1 is to be installed\nE: Unable to correct problems, you have held broken packages.", "unmet-nvidia"),
    (f"E: Could not get lock {LOCK}. It is held by process 1234 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock ({LOCK}), is another process using it?", "apt-locked"),
    ("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/", "apt-locked"),
    ("E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a' to correct the problem.", "dpkg-interrupted"),
    ("E: The package containerd.io needs to be reinstalled, but I can't find an archive for it.", "half-installed"),
    ("dpkg: error processing package docker-ce (--configure):\n package is in a very bad inconsistent state; you should\n reinstall it before attempting configuration", "half-installed"),
    ("E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).", "unmet-or-broken"),
    ("dpkg: error processing archive docker-buildx-plugin.deb (--unpack):\n trying to overwrite '/usr/libexec/docker/cli-plugins/docker-buildx', which is also in package docker-buildx 0.13.1", "file-clash"),
    ("E: Release file for https://download.docker.com/linux/debian/dists/trixie/InRelease is not valid yet (invalid for another 3h 2min 5s). Updates for this repository will not be applied.", "not-valid-yet"),
    ("E: Release file for http://mirror/debian/dists/trixie/InRelease is expired (invalid since 5d 3h). Updates for this repository will not be applied.", "expired-release"),
    ("sudo: apt-key: command not found", "apt-key-gone"),
    ("dpkg: error processing package docker-compose-plugin (--configure):\n package docker-compose-plugin is not ready for configuration\n cannot configure (current status 'half-installed')", "half-installed"),
    # Docker
    ('permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.47/containers/json": dial unix /var/run/docker.sock: connect: permission denied', "socket-denied"),
    ("permission denied while trying to connect to the docker API at unix:///var/run/docker.sock", "socket-denied"),
    ("Got permission denied while trying to connect to the Docker daemon socket", "socket-denied"),
    ("unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid character '}' looking for beginning of object key string", "daemon-json-invalid"),
    ("unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [fd://], from file: [tcp://0.0.0.0:2375])", "flag-and-file"),
    ("unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives don't match any configuration option: log-drivers", "daemon-json-invalid"),
    ("failed to start daemon: specified default runtime 'nvidia' does not exist", "default-runtime-unknown"),
    ('Job for docker.service failed because the control process exited with error code.\nSee "systemctl status docker.service" and "journalctl -xeu docker.service" for details.', "start-limit"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "daemon-down"),
    ("failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running", "daemon-down"),
    ("Failed to start docker.service: Unit docker.service is masked.", "unit-masked"),
    ("bash: docker: command not found", "not-installed"),
    ("Failed to restart docker.service: Unit docker.service not found.", "not-installed"),
    ("Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.", "podman-in-the-way"),
    ("Error response from daemon: client version 1.24 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version", "api-too-old"),
    ("docker: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit.", "rate-limit"),
    ('docker: Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: server misbehaving', "registry-unreachable"),
    ('docker: Error response from daemon: Get "https://registry-1.docker.io/v2/": context deadline exceeded', "registry-unreachable"),
    ('Error response from daemon: Get "https://registry.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority', "registry-untrusted"),
    ('failed to start daemon: Error initializing network controller: error obtaining controller instance: failed to register "bridge" driver: failed to create NAT chain DOCKER: iptables failed: iptables --wait -t nat -N DOCKER', "firewall-tools"),
    ("Error response from daemon: all predefined address pools have been fully subnetted", "subnet-clash"),
    ("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network", "subnet-clash"),
    (f"{DAEMON}{RUNC}unable to apply cgroup configuration: mkdir /sys/fs/cgroup/docker: read-only file system", "cgroups-read-only"),
    ('docker: Error response from daemon: AppArmor enabled on system but the docker-default profile could not be loaded: running "apparmor_parser" failed', "apparmor-parser"),
    ("write /var/lib/docker/tmp/GetImageBlob123: no space left on device", "disk-full"),
    ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk-full"),
    ("docker: 'compose' is not a docker command.\nSee 'docker --help'", "buildx-missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "entry"), MESSAGES)
def test_each_message_has_its_cause_first(text: str, entry: str) -> None:
    assert explain(text)[0].id == entry


def test_each_pattern_s_entry_has_a_message_that_is_tried() -> None:
    assert {entry.id for entry in CATALOGUE if entry.messages} == {entry for _, entry in MESSAGES}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "Hello from Docker!",
        "Reading package lists... Done",
        "docker version 29.7.2",
        "the module is not signed",
    ],
)
def test_what_is_no_error_has_no_cause(text: str) -> None:
    assert explain(text) == ()


def test_a_log_of_several_troubles_is_told_in_its_order_and_each_once() -> None:
    apt = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)"
    nvml = "Failed to initialize NVML: Unknown Error"
    text = f"Reading...\n{apt}\n{nvml}\n{apt}\nE: The list of sources could not be read."
    assert [entry.id for entry in explain(text)] == ["apt-locked", "nvml-unknown"]


def test_every_entry_is_whole() -> None:
    assert len(BY_ID) == len(CATALOGUE)
    assert set(ASKED) <= set(BY_ID)
    for entry in CATALOGUE:
        assert entry.finding, entry.id
        assert entry.cause, entry.id
        assert entry.mend, entry.id
        assert entry.source.startswith("https://"), entry.id
        assert entry.rung in (
            "host", "dpkg", "apt", "docker", "daemon", "container", "driver", "toolkit", "cdi",
        )  # fmt: skip
