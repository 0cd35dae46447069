# --- gpu: NVIDIA's driver, the CDI specification, and what a broken rung most likely means ---------

module_version() { # of the loaded driver
  awk '/^NVRM/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+(\.[0-9]+)+$/) { print $i; exit } }' /proc/driver/nvidia/version 2>/dev/null
}

library_version() {
  for library in /usr/lib/*/libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.1; do
    [ -e "$library" ] || continue
    library=$(readlink -f "$library")
    printf '%s' "${library##*.so.}"
    return
  done
}

# cdi_fresh PATH: the specification names the files of the loaded driver, and every GPU of the host.
cdi_fresh() {
  driver=$(grep -o 'libnvidia-ml\.so\.[0-9]*\.[0-9.]*[0-9]' "$1" 2>/dev/null | head -n 1)
  [ -n "$driver" ] && [ "${driver##*.so.}" = "$(module_version)" ] || return
  wanted_devices=$(nvidia-smi -L 2>&1) || return
  # GPUs that are split count by their parts.
  wanted_devices=$(printf '%s\n' "$wanted_devices" | awk '
    /^GPU / { if (gpu) whole++; gpu = 1 }
    /^ *MIG / { parts++; gpu = 0 }
    END { print whole + gpu, parts + 0 }')
  named_devices=$(sed -n 's/^ *-\{0,1\} *name: *"\{0,1\}\([0-9:]*\)"\{0,1\} *$/\1/p' "$1" | awk '/:/ { parts++; next } /./ { whole++ } END { print whole + 0, parts + 0 }')
  [ "${named_devices% *}" -ge "${wanted_devices% *}" ] && [ "${named_devices#* }" = "${wanted_devices#* }" ]
}

cdi_renewed() { # the toolkit has units that make the specification anew
  [ "$(systemctl is-active nvidia-cdi-refresh.path 2>/dev/null)" = active ]
}

# make_spec PATH NEW: by the toolkit's own unit where that does it, else by nvidia-ctk. Where it is
# NEW, the packages of this run may have made it already: undo takes it away with them.
make_spec() {
  if [ -n "$2" ]; then receipt "file $1 absent -"; else keep "$1"; fi
  cdi_fresh "$1" || systemctl start nvidia-cdi-refresh.service 2>/dev/null
  if ! cdi_fresh "$1" && ! nvidia-ctk cdi generate --output="$1"; then
    answer=$(nvidia-smi -L 2>&1)
    printf '%s\n' "$answer"
    exit_code=8 cause=$(gpu_cause "$answer")
    return 1
  fi
  receipt "wrote $1 $(sum_of "$1")" && spec_made=1
}

# hook_seen: dockerd looks for NVIDIA's hook once, when it starts, and /run/docker.pid is as old as
# that. The toolkit's folder is as old as its first installation; where no birth is told, the hook's
# change is. uutils tells both in whole seconds: then the next one counts.
hook_seen() {
  since=$(stat -c %.9Y /run/docker.pid 2>/dev/null) || return 0 # it is elsewhere: trying will tell
  born=$(stat -c %.9W /usr/share/doc/nvidia-container-toolkit-base 2>/dev/null)
  case $born in [1-9]*) ;; *) born=$(stat -Lc %.9Z /usr/bin/nvidia-cdi-hook /usr/bin/nvidia-container-runtime-hook 2>/dev/null | head -n 1) ;; esac
  awk -v born="${born:-0}" -v since="$since" 'BEGIN { exit !(born + (born !~ /\./) < since + 0) }'
}

# gpu_cause TEXT: what nvidia-smi and docker say, to a cause.
gpu_cause() {
  case $1 in
    *"version mismatch"*) echo "driver: kernel module $(module_version), library $(library_version); reboot the host" ;;
    *"communicate with the NVIDIA driver"*) echo "driver: its kernel module is not loaded; modprobe nvidia tells why" ;;
    *'device driver "cdi"'*|*"CDI is not enabled"*) echo "CDI is off in dockerd: features.cdi in daemon.json, and a restart" ;;
    *"AMD CDI spec not found"*|*"could not select device driver"*)
      echo "dockerd started before the toolkit was there, and looks for it only then: systemctl restart docker" ;;
    *"nresolvable CDI devices"*|*"CDI device injection failed"*|*"unknown device"*)
      echo "CDI: no specification names the device; systemctl start nvidia-cdi-refresh, or: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml" ;;
    *"unknown or invalid runtime"*|*"Unknown runtime"*) echo "dockerd does not know the runtime: systemctl reload docker" ;;
    *"Unknown Error"*)
      if [ -e /dev/char/195:255 ]; then
        echo "device policy: the container may not open the GPU's nodes (any more)"
      else # systemd names the devices of a container by these links, and nvidia-modprobe makes none
        echo "device policy: systemd does not find the GPU's nodes in /dev/char; nvidia-ctk system create-dev-char-symlinks --create-all"
      fi ;;
    *"container has no /dev/nvidia-uvm"*)
      echo "CDI: the specification was made without /dev/nvidia-uvm; systemctl start nvidia-cdi-refresh, or: nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml" ;;
    *nvidia-uvm*) echo "nodes: /dev/nvidia-uvm is missing; nvidia-modprobe -u -c=0" ;;
    *nvidia-smi*"not found"*|*nvidia-smi*"no such file"*) echo "CDI: the specification names no nvidia-smi, or another driver's; make it anew" ;;
    *"No devices were found"*) echo "the container got no GPU" ;;
    *) cause_of "$1" ;;
  esac
}

# gpu_rung PERCENT NAME OPTION...: a container started so has exactly the host's GPUs ($listing), and the
# node that CUDA needs beside them.
gpu_rung() {
  percent=$1 name=$2
  shift 2
  if ! run_once 120 --network none "$@" "$image" sh -c 'nvidia-smi -L && { [ -e /dev/nvidia-uvm ] || { echo "the container has no /dev/nvidia-uvm"; exit 1; }; }'; then
    printf 'host:\n%s\ncontainer:\n%s\n' "$listing" "$answer"
    ! command -v nvidia-container-cli >/dev/null 2>&1 || timeout 20 nvidia-container-cli info 2>&1 | head -n 20
    brief="no GPU by $name; nvidia-smi works on the host" cause=$(gpu_cause "$answer")
    return 1
  fi
  if [ "$(printf '%s\n' "$answer" | sort)" != "$(printf '%s\n' "$listing" | sort)" ]; then
    printf 'host:\n%s\ncontainer:\n%s\n' "$listing" "$answer"
    brief="by $name a container has other GPUs than the host" cause="CDI: the specification is old, or the image sets NVIDIA_VISIBLE_DEVICES"
    return 1
  fi
  record progress "$step_id" "$percent verify $name"
}

# cuda_cause TEXT: what a program of CUDA's says that finds no GPU to compute on.
cuda_cause() {
  case $1 in
    *"driver version is insufficient"*|*"unsupported toolchain"*|*"forward compatibility"*)
      echo "CUDA: the image's is newer than driver $(module_version) can run; an older tag in gpu_deep_image, or a newer driver" ;;
    *"no kernel image is available"*) echo "CUDA: the image is built for other generations of GPUs; another tag in gpu_deep_image" ;;
    *"no CUDA-capable device"*|*"initialization error"*|*"unknown error"*)
      echo "CUDA finds no device: MIG is on without an instance (nvidia-smi mig -lgi), NVSwitch hosts need nvidia-fabricmanager, or /dev/nvidia-uvm does not open" ;;
    *"system not yet initialized"*) echo "CUDA: this host has NVSwitches; systemctl start nvidia-fabricmanager" ;;
    *"out of memory"*) echo "CUDA: the GPU's memory is taken; nvidia-smi shows by whom" ;;
    *"busy or unavailable"*) echo "CUDA: the GPU is taken by one process alone; nvidia-smi -q -d COMPUTE" ;;
    *) gpu_cause "$1" ;;
  esac
}

# gpu_computes IMAGE: its own command computes on the GPUs. That nvidia-smi lists them proves less.
gpu_computes() {
  if ! pull_once 1800 "$1"; then
    printf '%s\n' "$answer"
    brief="$1 cannot be pulled; nvidia-smi works in containers" cause=$(cause_of "$answer")
    return 1
  fi
  if run_once 300 --network none --device nvidia.com/gpu=all "$1"; then rc=0; else rc=1; fi
  pulled_goes "$1"
  [ "$rc" != 0 ] || { record progress "$step_id" "95 verify CUDA computes"; return 0; }
  printf '%s\n' "$answer"
  brief="CUDA does not compute in a container; nvidia-smi works there" cause=$(cuda_cause "$answer")
  return 1
}

# gpu_after_reload: systemd puts device policies back when it is reloaded; what came by CDI has to
# be part of them. Other containers are not put at risk for that.
gpu_after_reload() {
  after=''
  if [ -n "$(docker ps -q)" ]; then
    after=' · not tried after daemon-reload: other containers run'
    return 0
  fi
  two=''
  one=$(docker run -d --label "$checking" --network none --device nvidia.com/gpu=all "$image" sleep 120) &&
    { [ -z "$gpus_flag" ] || two=$(docker run -d --label "$checking" --network none --gpus all "$image" sleep 120); } && systemctl daemon-reload && sleep 1 &&
    answer=$(docker exec "$one" nvidia-smi -L 2>&1)
  rc=$?
  if [ "$rc" = 0 ] && [ -n "$two" ]; then
    docker exec "$two" nvidia-smi -L >/dev/null 2>&1 ||
      record_text note "$step_id" "with this Engine a container that was started by --gpus loses its GPUs when systemd is reloaded; start it by --device nvidia.com/gpu=all"
  fi
  docker rm -f "${one:-none}" ${two:+"$two"} >/dev/null 2>&1
  if [ "$rc" != 0 ] || [ "$(printf '%s\n' "$answer" | sort)" != "$(printf '%s\n' "$listing" | sort)" ]; then
    printf '%s\n' "$answer"
    brief="a container loses its GPUs when systemd is reloaded" cause=$(gpu_cause "$answer")
    return 1
  fi
  after=' · again after daemon-reload'
}
