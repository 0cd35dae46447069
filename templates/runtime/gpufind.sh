# --- gpufind: the host's GPUs, where no controller saw them first ----------------------------------
# Uses $gpu_mode: required, or auto for Docker alone where there is no GPU; and $gpus_flag.

# find_gpus: sets gpus, how many there are (empty where they are no matter here), and bound, who drives them.
find_gpus() {
  gpus=0 bound=' '
  for device in /sys/bus/pci/devices/*; do
    [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(cat "$device/class") in 0x0300*|0x0302*|0x0380*) ;; *) continue ;; esac
    gpus=$((gpus + 1)) link=$(readlink "$device/driver")
    bound="$bound${link##*/} "
  done
  [ "$gpu_mode" != auto ] || [ "$gpus" != 0 ] || gpus=
}

secure_boot() {
  for variable in /sys/firmware/efi/efivars/SecureBoot-*; do
    [ "$(od -An -tu1 -j4 -N1 "$variable" 2>/dev/null | tr -d ' ')" != 1 ] || return 0
  done
  return 1
}

# fit_gpus: a GPU that cannot be used is refused with what would mend it; no driver is installed by this.
fit_gpus() {
  alone="Docker alone: a file of playbook docker"
  [ ! -e /dev/dxg ] || stop 3 guard "GPUs of this host are not supported" "WSL: its GPU belongs to Windows. $alone"
  [ ! -e /etc/nv_tegra_release ] || stop 3 guard "GPUs of this host are not supported" "Jetson: its GPU is no PCI device and comes with a system of its own. $alone"
  [ "$gpus" != 0 ] || stop 3 guard "this host has no NVIDIA GPU" "no display or 3D controller of NVIDIA (vendor 10de) on the PCI bus. $alone"
  [ -z "$(module_version)" ] || return 0
  case $bound in
    *" nouveau "*) stop 3 guard "nouveau drives the GPU of this host" "echo 'blacklist nouveau' >/etc/modprobe.d/nouveau.conf; update-initramfs -u; install NVIDIA's driver; reboot" ;;
    *" vfio-pci "*|*" pci-stub "*) stop 3 guard "the GPU of this host is kept for virtual machines" "the kernel driver bound to it is$bound. $alone" ;;
  esac
  library=$(library_version)
  install="apt install nvidia-driver"
  [ "$os_id" != ubuntu ] || install="ubuntu-drivers install --gpgpu"
  [ -n "$library" ] || stop 3 guard "this host has an NVIDIA GPU and no driver for it" "$install, reboot, then the same command"
  ! secure_boot || stop 3 guard "NVIDIA's driver $library is installed, but not loaded" "Secure Boot is on: a module that is not signed by an enrolled key is refused; use Ubuntu's signed modules, or enrol the key: mokutil --import"
  stop 3 guard "NVIDIA's driver $library is installed, but not loaded" "modprobe nvidia; dkms status tells whether it was built for this kernel; or reboot"
}

# find_past: what NVIDIA's earlier recipes left and this file takes away, as names for apt in past; and
# in lost the packages that no archive has any more, of which copies are made for the way back.
# nvidia-docker2 is empty since 2.14, and stays; toolkits are in the present repository since 1.14.
find_past() {
  past='' lost=''
  for package in nvidia-docker nvidia-docker2 nvidia-container-runtime nvidia-container-runtime-hook; do
    have=$(version_of "$package")
    [ "$have" != absent ] || continue
    [ "$package" != nvidia-docker2 ] || dpkg --compare-versions "$have" lt 2.14 || continue
    past="$past $package"
  done
  for package in nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1; do
    have=$(version_of "$package")
    [ "$have" = absent ] || ! dpkg --compare-versions "$have" lt 1.14 || lost="$lost $package"
  done
  lost="$past$lost"
}

# fit_past: containers and volumes of nvidia-docker 1.0 hold what would be lost: they are not for this file.
fit_past() {
  [ "$(version_of nvidia-docker)" != absent ] || return 0
  timeout 20 docker version >/dev/null 2>&1 ||
    stop 3 guard "nobody can tell which containers use nvidia-docker 1.0: dockerd does not answer" "systemctl start docker, then the same command"
  volumes=$(timeout 20 docker volume ls -q -f driver=nvidia-docker | tr '\n' ' ')
  [ -n "$volumes" ] || return 0
  users=$(for volume in $volumes; do timeout 20 docker ps -a -f "volume=$volume" --format '{{.Names}}'; done | sort -u | tr '\n' ' ')
  stop 9 guard "containers and volumes of nvidia-docker 1.0 are here: ${users:-no container, }$volumes" \
    "when they may go, with all that is written in them: ${users:+docker rm -f $users&& }docker volume rm $volumes"
}

# judge_hook: --gpus needs a dockerd that was started after the toolkit came.
judge_hook() {
  [ -n "$gpus_flag" ] && systemctl is-active -q docker.service 2>/dev/null || return 0
  [ "$(version_of nvidia-container-toolkit-base)" = absent ] || ! hook_seen || return 0
  refuse_restart "docker run --gpus needs a restart of dockerd"
}

cdi_by_itself() { # a dockerd that runs and has CDI on without being told: since 28.3
  daemon=$(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null) && [ -n "$daemon" ] && dpkg --compare-versions "$daemon" ge 28.3
}

gpus_work() { timeout 20 nvidia-smi -L >/dev/null 2>&1 && [ -e /dev/nvidia-uvm ]; }

# The runtime is made known once its program is there.
check_runtime() {
  [ -z "${daemon_late-}" ] || return
  ! systemctl is-active -q docker.service 2>/dev/null || timeout 20 docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}' 2>/dev/null | grep -qw nvidia
}
apply_runtime() {
  [ -n "${daemon_late-}" ] || daemon_how=reload
  daemon_late=
  take_up /etc/docker/daemon.json
}

check_copies() {
  # shellcheck disable=SC2086  # names
  repacked $lost
}
apply_copies() {
  for package in $lost; do repack "$package" || return; done
}
