"""Messages of NVIDIA's driver, its Container Toolkit, and Docker with GPUs."""

from __future__ import annotations

from dockwright.doctor.catalogue.entry import Entry

_GUIDE = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/"
_NCT = "https://github.com/NVIDIA/nvidia-container-toolkit/issues/"
_NEW_SPEC = "systemctl start nvidia-cdi-refresh, or: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml"

GPU = (
    Entry(
        id="cdi-off",
        rung="cdi",
        messages=(r"could not select device driver \"cdi\"", r"cdi is not enabled"),
        finding="CDI is off in dockerd",
        cause="features.cdi is false, or the Engine is older than 28.3, where it has to be asked for",
        look=("docker info --format '{{.CDISpecDirs}} {{.ServerVersion}}'",),
        mend=('{"features": {"cdi": true}} in daemon.json', "systemctl restart docker"),
        source="https://docs.docker.com/reference/cli/dockerd/#configure-cdi-devices",
    ),
    Entry(
        id="no-device-driver",
        rung="toolkit",
        messages=(r"could not select device driver", r"amd cdi spec not found"),
        finding="dockerd knows no way to give GPUs to a container",
        cause="NVIDIA's Container Toolkit is not installed, or dockerd started before it was: it looks"
        ' for the toolkit only when it starts. Since 29.3 the same is told as "AMD CDI spec not'
        " found\", on NVIDIA's hosts too",
        look=(
            "command -v nvidia-cdi-hook nvidia-container-runtime-hook",
            "docker info | grep -i cdi",
        ),
        mend=("dockwright install --gpu HOST", "toolkit there already: systemctl restart docker"),
        source=f"{_NCT}871",
    ),
    Entry(
        id="unknown-runtime",
        rung="toolkit",
        messages=(
            r"unknown or invalid runtime name:? \"?nvidia",
            r"unknown runtime specified:? \"?nvidia",
            r"runtime \"?nvidia\"? (is )?not found",
        ),
        finding="dockerd does not know the runtime nvidia",
        cause="daemon.json does not register it, or dockerd did not read the file again; the package"
        " nvidia-docker2 of today registers nothing",
        look=("docker info --format '{{json .Runtimes}}'", "cat /etc/docker/daemon.json"),
        mend=("dockwright install --gpu HOST", "registered already: systemctl reload docker"),
        source=f"{_GUIDE}install-guide.html",
    ),
    Entry(
        id="runtime-file-missing",
        rung="toolkit",
        messages=(
            r"exec: \"?nvidia-container-runtime(-hook)?\"?: executable file not found",
            r"nvidia-container-runtime(-hook)?: no such file",
            r"exec: \"?nvidia-(cdi-hook|ctk)\"?: executable file not found",
        ),
        finding="the toolkit is registered, and not installed",
        cause="daemon.json or a CDI specification names programs of the toolkit that are gone",
        look=("command -v nvidia-container-runtime nvidia-ctk",),
        mend=("dockwright install --gpu HOST",),
        source=f"{_GUIDE}install-guide.html",
    ),
    Entry(
        id="driver-mismatch",
        rung="driver",
        messages=(r"driver/library version mismatch",),
        finding="the loaded driver and its library are of different versions",
        cause="the driver's packages were upgraded, often unattended, and the old module is loaded still",
        look=("cat /proc/driver/nvidia/version", "ls -l /usr/lib/*/libnvidia-ml.so.1"),
        mend=("reboot", "to keep it from happening again: apt-mark hold the driver's packages"),
        source=f"{_NCT}394",
    ),
    Entry(
        id="driver-too-old",
        rung="driver",
        messages=(
            r"unsatisfied condition: (cuda|driver|brand)",
            r"driver version is insufficient for cuda runtime version",
        ),
        finding="the image wants a newer driver than the host has",
        cause="an image of CUDA says which driver it needs (NVIDIA_REQUIRE_CUDA), and the host's is older",
        look=("nvidia-smi | head -n 4", "docker image inspect IMAGE | grep NVIDIA_REQUIRE"),
        mend=("upgrade the host's driver and reboot", "or use an image of an older CUDA"),
        source="https://docs.nvidia.com/deploy/cuda-compatibility/",
    ),
    Entry(
        id="gpu-lost",
        rung="driver",
        messages=(
            r"gpu is lost",
            r"has fallen off the bus",
            r"unable to determine the device handle for gpu",
        ),
        finding="the GPU does not answer any more",
        cause="it fell off the bus (Xid 79): power, heat, its slot, or a virtual machine that lost it",
        look=("dmesg | grep -i xid", "lspci -nn -d 10de:"),
        mend=("reboot; if it comes back: power and seat of the card",),
        source="https://docs.nvidia.com/deploy/xid-errors/",
    ),
    Entry(
        id="gpu-unknown",
        rung="container",
        messages=(r"nvidia-container-cli: device error: .*unknown device",),
        finding="a GPU is asked for that the host does not have",
        cause="--gpus or NVIDIA_VISIBLE_DEVICES names an index or a UUID that is not there, or not any more",
        look=("nvidia-smi -L",),
        mend=("name one that nvidia-smi -L lists, or all",),
        source=f"{_GUIDE}docker-specialized.html",
    ),
    Entry(
        id="wsl-blocked",
        rung="driver",
        messages=(r"gpu access blocked by the operating system",),
        finding="Windows does not let WSL have the GPU",
        cause="on WSL the driver is Windows' own; one that was installed inside it stands in its way",
        look=("ls -l /dev/dxg /usr/lib/wsl/lib",),
        mend=("remove NVIDIA's driver from the WSL system, and upgrade the one of Windows",),
        source="https://docs.nvidia.com/cuda/wsl-user-guide/",
    ),
    Entry(
        id="nvml-unknown",
        rung="container",
        messages=(r"failed to initialize nvml: unknown error", r"nvml: unknown error"),
        finding="a running container lost its GPUs",
        cause="systemd was reloaded and put back the container's device policy, which does not have"
        " what the legacy hook allowed; a new container works",
        look=(
            "docker inspect --format '{{json .HostConfig.DeviceRequests}}' CONTAINER",
            "ls /dev/char",
        ),
        mend=(
            "start the container with --device nvidia.com/gpu=all (CDI)",
            "nodes missing in /dev/char: nvidia-ctk system create-dev-char-symlinks --create-all",
        ),
        source=f"{_NCT}48",
    ),
    Entry(
        id="secure-boot",
        rung="driver",
        messages=(
            r"key was rejected by service",
            r"required key not available",
            r"module verification failed: signature",
        ),
        finding="Secure Boot refuses the driver's module",
        cause="the module was built here (DKMS), and its key is not enrolled",
        look=("mokutil --sb-state", "dmesg | grep -i nvidia"),
        mend=(
            "Ubuntu's signed modules (linux-modules-nvidia-*), or: mokutil --import KEY and a reboot",
        ),
        source="https://documentation.ubuntu.com/server/how-to/graphics/install-nvidia-drivers/",
    ),
    Entry(
        id="nouveau",
        rung="driver",
        messages=(r"nouveau kernel driver", r"nouveau.*(in use|currently in use)"),
        finding="nouveau drives the GPU",
        cause="NVIDIA's driver cannot be loaded beside it",
        look=("lspci -nnk -d 10de:",),
        mend=(
            "echo 'blacklist nouveau' >/etc/modprobe.d/nouveau.conf; update-initramfs -u",
            "install NVIDIA's driver, then reboot",
        ),
        source="https://docs.nvidia.com/cuda/cuda-installation-guide-linux/",
    ),
    Entry(
        id="driver-not-loaded",
        rung="driver",
        messages=(
            r"couldn't communicate with the nvidia driver",
            r"nvml(?: error)?: driver not loaded",
            r"modprobe: (fatal|error):? .*nvidia",
        ),
        finding="NVIDIA's driver is not loaded",
        cause="its kernel module was not built for the running kernel, Secure Boot refused it, or"
        " nouveau is in its place",
        look=("modprobe nvidia", "dkms status", "mokutil --sb-state"),
        mend=(
            "install the headers of the running kernel and build the module anew: dkms autoinstall",
            "reboot",
        ),
        source="https://docs.nvidia.com/cuda/cuda-installation-guide-linux/",
    ),
    Entry(
        id="no-driver",
        rung="driver",
        messages=(
            r"load library failed: libnvidia-ml\.so",
            r"nvidia-smi: command not found",
            r"failed to initialize nvml: (driver )?not found",
        ),
        finding="NVIDIA's driver is not installed",
        cause="the host has neither the module nor libnvidia-ml; the toolkit does not bring them",
        look=("lspci -nn -d 10de:",),
        mend=(
            "dockwright install --gpu --driver auto --reboot HOST",
            "by hand: ubuntu-drivers install --gpgpu (Ubuntu), apt-get install nvidia-driver (Debian); reboot",
        ),
        source=f"{_GUIDE}troubleshooting.html",
    ),
    Entry(
        id="uvm-missing",
        rung="driver",
        messages=(r"/dev/nvidia-uvm", r"nvidia-uvm.*(no such|not found)"),
        finding="the device nodes of nvidia-uvm are missing",
        cause="the module nvidia-uvm is loaded by the first program of CUDA's, and none has run since boot",
        look=("ls -l /dev/nvidia*",),
        mend=("nvidia-modprobe -u -c=0",),
        source="https://github.com/NVIDIA/gpu-operator/issues/2685",
    ),
    Entry(
        id="cdi-unresolvable",
        rung="cdi",
        messages=(
            r"unresolvable cdi devices",
            r"cdi device injection failed",
            r"unknown cdi device",
        ),
        finding="no CDI specification names that device",
        cause="the specification was never made, or is older than a driver or MIG layout",
        look=("nvidia-ctk cdi list", "ls -l /etc/cdi /var/run/cdi"),
        mend=(_NEW_SPEC,),
        source=f"{_NCT}1611",
    ),
    Entry(
        id="cdi-stale",
        rung="cdi",
        messages=(
            r"exec: \"?nvidia-smi\"?: executable file not found",
            r"libnvidia-\S+\.so\.\d\S*: no such file",
            r"failed to fulfil mount request: .*(nvidia|libcuda)",
        ),
        finding="the CDI specification is of another driver",
        cause="it names files of a driver that is not there any more; one made by hand in /etc/cdi is"
        " never renewed",
        look=(
            "grep -o 'libnvidia-ml.so.[0-9.]*' /etc/cdi/*.yaml /var/run/cdi/*.yaml",
            "cat /proc/driver/nvidia/version",
        ),
        mend=(_NEW_SPEC, "rm /etc/cdi/nvidia.yaml, where it was made by hand"),
        source="https://github.com/HaveAGitGat/Tdarr/issues/1423",
    ),
    Entry(
        id="no-cgroups",
        rung="toolkit",
        messages=(
            r"cgroup subsystem devices not found",
            r"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed",
            r"nvidia-container-cli: mount error: failed to add device rules",
        ),
        finding="the legacy hook cannot set device rules",
        cause="rootless Docker may not, and no-cgroups=true, which cures that, breaks Docker of root",
        look=("grep no-cgroups /etc/nvidia-container-runtime/config.toml",),
        mend=("use CDI for both: --device nvidia.com/gpu=all, and no-cgroups = false",),
        source=f"{_NCT}85",
    ),
    Entry(
        id="no-devices",
        rung="container",
        messages=(r"no devices were found",),
        finding="the container got no GPU",
        cause="NVIDIA_VISIBLE_DEVICES or --gpus names none, a MIG GPU has no instance, or the GPU fell"
        " off the bus (Xid 79)",
        look=("nvidia-smi -L", "dmesg | grep -i xid"),
        mend=("nvidia-smi mig -cgi ... -C where MIG is on; a reboot where the GPU is gone",),
        source="https://docs.nvidia.com/deploy/xid-errors/",
    ),
    Entry(
        id="cuda-image-gone",
        rung="container",
        messages=(r"nvidia/cuda:\S*.* not found", r"manifest for nvidia/cuda"),
        finding="that image of NVIDIA's does not exist (any more)",
        cause="there is no tag latest, and tags are deleted some months after their support",
        mend=("docker run --rm --gpus all ubuntu nvidia-smi needs no CUDA image",),
        source="https://docs.docker.com/engine/containers/gpu/",
    ),
    Entry(
        id="nvidia-docker-gone",
        rung="toolkit",
        messages=(r"nvidia-docker: (command )?not found", r"nvidia-docker\.service (could )?not"),
        finding="nvidia-docker is a thing of the past",
        cause="the wrapper is gone since nvidia-docker2 2.14; docker --gpus does the same",
        mend=("dockwright install --gpu HOST", "docker run --gpus all ..."),
        source="https://github.com/NVIDIA/nvidia-docker",
    ),
    Entry(
        id="toolkit-insecure",
        rung="toolkit",
        finding="the toolkit is older than a fix of its security",
        cause="below 1.17.8 a container may become root on the host (CVE-2025-23266)",
        look=("nvidia-ctk --version",),
        mend=("dockwright install --gpu HOST --upgrade",),
        source="https://nvidia.custhelp.com/app/answers/detail/a_id/5659",
    ),
)
