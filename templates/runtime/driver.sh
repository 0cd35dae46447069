# --- driver: NVIDIA's kernel module is loaded, or the host boots for it ----------------------------
image='' listing='' # of the ladder in gpu.sh, which has the words for causes

# One that is another version than the library is loaded, too, and works for nobody.
driver_works() { [ -e /proc/driver/nvidia/version ] && timeout 60 nvidia-smi -L && [ -e /dev/nvidia-uvm ]; }

nouveau_bound() {
  for device in /sys/bus/pci/devices/*; do
    [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(readlink "$device/driver") in */nouveau) return 0 ;; esac
  done
  return 1
}

module_for_another_kernel() { # there is a module, and not for the kernel that runs
  running=$(uname -r) found=''
  for module in /lib/modules/*/kernel/nvidia*/nvidia.ko* /lib/modules/*/updates/dkms/nvidia*.ko*; do
    [ -e "$module" ] || continue
    case $module in "/lib/modules/$running/"*) return 1 ;; esac
    found=1
  done
  [ -n "$found" ]
}

# make_nodes: udev makes them with the driver's own rules; where there is none, nvidia-modprobe does.
make_nodes() {
  modprobe nvidia-uvm
  ! command -v udevadm >/dev/null 2>&1 || timeout 30 udevadm settle
  [ -e /dev/nvidia-uvm ] || ! command -v nvidia-modprobe >/dev/null 2>&1 || nvidia-modprobe -u -c=0
}

# load_driver MAY-REBOOT: $state/driver-boot has the boot in which a reboot was ordered: one that did not
# help is not tried again.
load_driver() {
  if nouveau_bound; then
    due="nouveau drives the GPU until the host boots again"
  elif answer=$(modprobe nvidia 2>&1); then
    make_nodes
    if ! answer=$(driver_works 2>&1); then
      printf '%s\n' "$answer"
      brief="NVIDIA's driver is loaded, and does not work"
      if [ -e /dev/nvidia-uvm ]; then cause=$(gpu_cause "$answer"); else cause=$(gpu_cause nvidia-uvm); fi
      return 1
    fi
    rm -f "$state/driver-boot"
    say "driver $(module_version) is loaded; no reboot was needed"
    return 0
  elif module_for_another_kernel; then
    due="the driver's module is for another kernel than $(uname -r), which runs"
  else
    printf '%s\n' "$answer"
    brief="NVIDIA's driver is installed, and its module cannot be loaded"
    case $answer in
      *"Key was rejected"*|*"Required key not available"*) cause="Secure Boot: the module is signed by no enrolled key; mokutil --import KEY.der, reboot, enrol it" ;;
      *"not found"*) cause="no module was built for kernel $(uname -r): dkms status tells why" ;;
      *) cause="modprobe nvidia, and journalctl -k | grep NVRM, tell why" ;;
    esac
    return 1
  fi
  if [ -s "$state/driver-boot" ] && [ "$(cat "$state/driver-boot")" != "$(boot_id)" ]; then
    rm -f "$state/driver-boot"
    brief="the host has booted for NVIDIA's driver, and it is not loaded yet" cause=$due
    return 1
  fi
  if [ -z "$1" ]; then
    brief="NVIDIA's driver is installed, and works after a reboot" cause="$due; reboot, then the same command; or the same command with --reboot, which does both"
    return 1
  fi
  boot_id >"$state/driver-boot" && sync "$state/driver-boot" && reboot_due=$due && say "the host reboots: $due"
}

# leave_resume: the next boot runs $resume, once: a unit takes itself away before it begins.
leave_resume() {
  unit=/etc/systemd/system/dockwright-resume.service
  wants=/etc/systemd/system/multi-user.target.wants/dockwright-resume.service
  printf '#!/bin/sh\n# Written by Dockwright for the boot that it ordered.\nrm -f %s %s "$0"\n%s' "$unit" "$wants" "$resume" >"$state/resume" && chmod 0700 "$state/resume" || return
  cat >"$unit" <<UNIT || return
[Unit]
Description=Dockwright goes on after the reboot that it ordered
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh $state/resume
UNIT
  mkdir -p "${wants%/*}" && ln -sf "$unit" "$wants" && sync "$state/resume" "$unit" "${wants%/*}"
}

# reboot_soon: once the last record is out, so that whoever follows has read it.
reboot_soon() {
  [ -z "$resume" ] || [ ! -d /run/systemd/system ] || leave_resume || stop 6 reboot "the unit that goes on after the reboot cannot be written"
  tell "run $run_id reboots this host: $reboot_due"
  record reboot - "$(boot_id)"
  if [ -d /run/systemd/system ]; then
    systemd-run -q --collect --on-active=3 --timer-property=AccuracySec=100ms --unit="dockwright-reboot-$run_id" systemctl reboot
  else
    setsid -f sh -c 'sleep 3; reboot' </dev/null >/dev/null 2>&1
  fi
}
