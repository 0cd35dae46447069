# What this host is, in one read-only round trip. $1: a nonce that frames the answer.
# One fact a line: a key, then words; free text and file contents are base64 (of one line).
# Values are printed as data and are never evaluated here; nothing is written anywhere.
facts() {
  LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG
  nonce=$1
  say() { printf '%s\n' "$*"; }
  b64() { base64 -w0; }
  have() { command -v "$1" >/dev/null 2>&1; }
  # The first line of a file in $line; no process is started, as there are many such files.
  first() { line='' && { IFS= read -r line <"$1"; } 2>/dev/null; }

  # Where the daemon is down the client says so, leaves the version empty, and ends with 0.
  docker_facts() {
    # The snap's own client; "snap run" would write to the home directory.
    have docker || PATH=$PATH:/snap/docker/current/bin
    have docker || return 0
    # Three questions at once: what is told first waits in its pipe for the ones before it.
    timeout 10 docker image ls --digests --no-trunc --format 'image {{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}' 2>/dev/null | head -n 2000 | {
      timeout 10 docker ps --no-trunc --format 'container {{.ID}} {{.Names}} {{.Image}}' 2>/dev/null | {
        answer=$(timeout 10 docker info --format \
          'daemon {{.ServerVersion}} {{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}} {{.Driver}} {{.DockerRootDir}}' 2>&1)
        printf '%s\n' "$answer" | grep '^daemon [^ ]' ||
          say "daemon_error $(printf '%s' "$answer" | grep -v '^daemon ' | head -c 500 | b64)"
        cat
      }
      cat
    }
  }

  # KIND SHA256 MODE OWNER PATH CONTENT TARGET of regular files and symlinks. Small files come with
  # their content, and their sum is left to the reader; odd paths are base64.
  file_fact() {
    [ -f "$2" ] || [ -L "$2" ] || return 0
    about=$(stat -Lc '%s %04a %U:%G' "$2" 2>/dev/null) || about='0 0000 ?:?'
    sum=- target=- body=- place=$2
    if [ -L "$2" ]; then target=$(readlink "$2" | b64); fi
    if [ ! -r "$2" ]; then
      sum=unreadable
    elif [ "${about%% *}" -gt 65536 ]; then
      sum=$(sha256sum <"$2") && sum=${sum%% *}
    else
      body=$(b64 <"$2")
    fi
    case $2 in *[!A-Za-z0-9/._@+-]*) place=$(printf %s "$2" | b64) ;; esac
    say "$1 $sum ${about#* } $place ${body:-=} $target"
  }

  # dockerd looks for NVIDIA's hook once, when it starts, and /run/docker.pid is as old as that. The
  # toolkit's folder is as old as its first installation; where no birth is told, the hook's change is.
  # uutils tells both in whole seconds: then the next one counts, and a doubt is settled by a restart.
  hook_seen() {
    since=$(stat -c %.9Y /run/docker.pid 2>/dev/null) || return 0 # it is elsewhere: trying will tell
    born=$(stat -c %.9W /usr/share/doc/nvidia-container-toolkit-base 2>/dev/null)
    case $born in [1-9]*) ;; *) born=$(stat -Lc %.9Z "$1") || return ;; esac
    awk -v born="$born" -v since="$since" 'BEGIN { exit !(born + (born !~ /\./) < since + 0) }'
  }

  # NVIDIA's GPUs, their driver, and what containers get of them; silent where there is neither.
  gpu_facts() {
    found='' library=''
    for path in /sys/bus/pci/devices/*; do
      if first "$path/vendor" && [ "$line" = 0x10de ] && first "$path/class"; then
        case $line in
          0x0300*|0x0302*|0x0380*)
            first "$path/device" && found=1 && bound=$(readlink "$path/driver")
            bound=${bound##*/} && say "gpu ${path##*/} $line ${bound:--}" ;;
        esac
      fi
    done
    [ ! -e /dev/dxg ] || say "gpu_platform wsl"
    [ ! -e /etc/nv_tegra_release ] || say "gpu_platform jetson"
    [ -n "$found" ] || [ -e /proc/driver/nvidia/version ] || return 0
    awk '/^NVRM/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+(\.[0-9]+)+$/) { print "nvidia_module", $i; exit } }' \
      /proc/driver/nvidia/version 2>/dev/null
    for path in /usr/lib/*/libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.1; do
      [ ! -e "$path" ] || { library=$(readlink -f "$path") && say "nvidia_library ${library##*.so.}" && break; }
    done
    if [ ! -e /proc/driver/nvidia/version ]; then
      # Where a driver may be wanted: a module for this kernel, what brings new kernels, a desktop.
      kernel=$(uname -r)
      for path in /lib/modules/"$kernel"/kernel/nvidia*/nvidia.ko* /lib/modules/"$kernel"/updates/dkms/nvidia*.ko*; do
        [ ! -e "$path" ] || { say "nvidia_built 1" && break; }
      done
      dpkg-query -W -f='${db:Status-Status} ${Package}\n' 'linux-image-*' 2>/dev/null | sed -n 's/^installed \(linux-image-[a-z].*\)$/kernel_package \1/p'
      dpkg-query -W -f='package ${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' 'nvidia-*' 'linux-modules-nvidia-*' 'linux-headers-*' \
        'libnvidia-tesla-*' libcuda1 firmware-nvidia-gsp 2>/dev/null | grep -v ' nvidia-\(docker\|container\)'
      [ ! -e /etc/systemd/system/display-manager.service ] || say "desktop 1"
    fi
    # The package of the driver that unattended-upgrades may change: neither held nor named in apt's configuration.
    if [ -n "$library" ] && grep -qsE '^[^/#]*Unattended-Upgrade +"1"' /etc/apt/apt.conf.d/* && ! grep -qsE '^[^/#]*"[^"]*nvidia' /etc/apt/apt.conf.d/*; then
      owner=$(dpkg-query -S "$library" 2>/dev/null) && owner=${owner%%:*}
      [ -z "$owner" ] || [ "$(dpkg-query -W -f='${db:Status-Want}' "$owner")" = hold ] || say "nvidia_loose $owner"
    fi
    # Without the module nvidia-smi would try to load it; with it, it only asks.
    if [ -e /proc/driver/nvidia/version ] && have nvidia-smi; then
      answer=$(timeout 20 nvidia-smi -L 2>&1)
      say "nvidia_smi $? $(printf '%s' "$answer" | head -c 8000 | b64)"
      timeout 20 nvidia-smi --query-gpu=index,mig.mode.current --format=csv,noheader 2>/dev/null | sed -n 's/^\([0-9]*\), Enabled$/nvidia_mig \1/p'
    fi
    for path in /dev/nvidiactl /dev/nvidia-uvm /dev/nvidia[0-9]*; do [ ! -e "$path" ] || say "nvidia_node ${path##*/}"; done
    for path in /sys/firmware/efi/efivars/SecureBoot-*; do
      [ "$(od -An -tu1 -j4 -N1 "$path" 2>/dev/null | tr -d ' ')" != 1 ] || say "secure_boot 1"
    done
    for path in /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json; do
      grep -q nvidia.com/gpu "$path" 2>/dev/null || continue
      driver=$(grep -o 'libnvidia-ml\.so\.[0-9]*\.[0-9.]*[0-9]' "$path" | head -n 1)
      names=$(tr ',{' '\n' <"$path" | sed -n 's/^[ -]*"\{0,1\}name"\{0,1\}: *"\{0,1\}\([A-Za-z0-9:._-]*\)"\{0,1\}[] }]*$/\1/p' | head -n 200 | tr '\n' ',')
      driver=${driver##*.so.}
      say "cdi_spec $path ${driver:--} $names"
    done
    for hook in /usr/bin/nvidia-cdi-hook /usr/bin/nvidia-container-runtime-hook; do
      [ -x "$hook" ] || continue
      if hook_seen "$hook"; then say "nvidia_hook seen"; else say "nvidia_hook unseen"; fi
      break
    done
    # nvidia-docker 1.0: its volumes, and the containers that have them, running or not.
    if [ -e /usr/bin/nvidia-docker-plugin ] && have docker; then
      for volume in $(timeout 20 docker volume ls -q -f driver=nvidia-docker 2>/dev/null); do
        say "old_volume $volume"
        timeout 20 docker ps -a --no-trunc -f "volume=$volume" --format 'old_container {{.ID}} {{.Names}} {{.State}}' 2>/dev/null
      done
    fi
    ! have docker || say "runtimes $(timeout 10 docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}' 2>/dev/null)"
  }

  host_facts() {
  [ ! -r /etc/os-release ] || say "os_release $(b64 </etc/os-release)"
  # shellcheck disable=SC2046  # two words on purpose, in this order
  set -- $(uname -nm)
  say "hostname $1"
  say "machine $2"
  first /proc/sys/kernel/osrelease && say "kernel $line"
  say "clock $(date +%s)"
  first /proc/sys/kernel/random/boot_id && boot_id=$line && say "boot_id $line"
  first /etc/machine-id && say "machine_id $line"
  user=$(id -u) && say "uid $user ${SUDO_USER:--}"
  have dpkg && say "architecture $(dpkg --print-architecture)"
  if [ -d /run/systemd/system ]; then say "init systemd"; else first /proc/1/comm && say "init $line"; fi
  have systemd-detect-virt && say "virtualisation $(systemd-detect-virt 2>/dev/null)"
  set --
  for path in / /usr /var /var/lib/docker /var/lib/containerd /run; do
    [ ! -d "$path" ] || set -- "$@" "$path"
  done
  { df -Pk "$@" && df -Pi "$@"; } 2>/dev/null | awk -v paths="$*" '
    BEGIN { count = split(paths, path, " ") }
    $1 == "Filesystem" { table++; row = 0; next }
    table == 1 { row++; free[row] = $4; total[row] = $2 }
    table == 2 { inodes[++row] = $2 ? $4 : "-" } # btrfs has none to count
    END { for (i = 1; i <= count; i++) print "disk", path[i], free[i], total[i], inodes[i] }'
  # access(2) tells root of a file system that is mounted read-only; nothing is written for it.
  [ "$user" != 0 ] || for path in /etc /usr /usr/bin /var /var/lib /var/lib/dpkg /var/cache/apt; do
    [ ! -d "$path" ] || [ -w "$path" ] || say "read_only $path"
  done

  # The Docker family of every origin, and what stands beside it. The globs are dpkg's.
  family="docker docker-ce docker-ce-cli docker-ce-rootless-extras docker-buildx-plugin docker-compose-plugin
    docker-model-plugin docker-engine docker.io docker-cli docker-buildx docker-compose docker-compose-v2
    docker-doc podman-docker containerd.io containerd runc rootlesskit moby-engine moby-cli moby-buildx
    moby-compose moby-containerd moby-runc nvidia-docker nvidia-docker2 nvidia-container-runtime
    nvidia-container-runtime-hook nvidia-container-toolkit nvidia-container-toolkit-base
    libnvidia-container-tools libnvidia-container1 ca-certificates openssh-server apparmor iptables nftables apt"
  # shellcheck disable=SC2086  # a list of words on purpose
  if have dpkg-query; then
    dpkg-query -W -f='package ${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' $family 2>/dev/null
    # What "dpkg --audit" would name, without what is harmless: half installed, unpacked, triggers.
    say "dpkg_audit $({
      dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 2>&1 || echo 'database unreadable'
    } | awk '/database unreadable/ || substr($0, 2, 1) !~ /[inc]/ || substr($0, 3, 1) != " "' | head -c 2000 | b64)"
    for path in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$path" ] || say "dpkg_interrupted 1"; done
  fi
  # What the host's own lists offer of the vendor's packages. Read as files: apt-cache would write
  # its cache, and rebuild it for a second or two where it is stale.
  lists=0
  for path in /var/lib/apt/lists/*_Packages*; do
    [ -e "$path" ] || continue
    lists=1
    case $path in
      *download.docker.com*|*docker-ce*|*libnvidia-container*)
        /usr/lib/apt/apt-helper cat-file "$path" 2>/dev/null | awk '
          $1 == "Package:" { name = $2 }
          $1 == "Version:" && name ~ /^(docker-ce|docker-ce-cli|containerd\.io|docker-(buildx|compose|model)-plugin|docker-ce-rootless-extras|nvidia-container-toolkit|nvidia-docker2)$/ {
            print "offered", name, $2 }' ;;
    esac
  done
  say "apt_lists $lists"
  # Where apt was told not to verify: FILE:LINE:TEXT of settings and of sources.
  lax=$(grep -HnsiE '^[^#/]*Allow(Unauthenticated|InsecureRepositories|WeakRepositories|DowngradeToInsecureRepositories)[ "]+(1|yes|true|on)|^ *deb.*\[[^]]*(trusted|allow-insecure)=yes|^ *(trusted|allow-insecure): *yes' \
    /etc/apt/apt.conf /etc/apt/apt.conf.d/* /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources | head -c 4000)
  [ -z "$lax" ] || say "apt_lax $(printf '%s' "$lax" | b64)"
  # Pins that may be about Docker.
  grep -lsiE 'docker|containerd' /etc/apt/preferences /etc/apt/preferences.d/* | while read -r path; do
    say "pin $path $(head -c 8192 "$path" | b64)"
  done
  for path in /var/lib/apt/lists/*Release; do [ ! -e "$path" ] || say "list ${path##*/}"; done

  # Apt sources that name a vendor, in both formats, and the keys beside them.
  for path in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    # By its name, too: a page that was saved as a list may hold no such word.
    case ${path##*/} in
      *nvidia*) file_fact source "$path" ;;
      *) if [ -f "$path" ] && grep -qiE 'docker|nvidia' "$path" 2>/dev/null; then file_fact source "$path"; fi ;;
    esac
  done
  for path in /etc/apt/keyrings/* /usr/share/keyrings/*docker* /usr/share/keyrings/*nvidia* /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d/*docker* /etc/apt/trusted.gpg.d/*nvidia*; do
    file_fact key "$path"
  done
  # The login of apt's proxy stays here: a sum that nobody can make without this answer's nonce.
  if [ -r /etc/apt/auth.conf.d/95dockwright-proxy.conf ]; then
    say "proxy_login $({ say "$nonce" && sed -n '/^machine /p' /etc/apt/auth.conf.d/95dockwright-proxy.conf; } | sha256sum | cut -d' ' -f1)"
  fi
  # So do root's logins at registries; docker writes each key on a line of its own.
  if [ -r /root/.docker/config.json ]; then
    sed -n 's/^[[:space:]]*"\([^"]*\)": {$/server \1/p; s/^[[:space:]]*"\([^"]*\)": {},*$/helper \1/p; s/^[[:space:]]*"auth": "\([A-Za-z0-9+\/=]*\)".*$/auth \1/p' /root/.docker/config.json |
      head -n 200 | while read -r word value; do
        case $word in
          server) server=$value ;;
          helper) say "login $value -" ;; # a credential helper has it
          auth) say "login $server $({ say "$nonce" && say "$value"; } | sha256sum | cut -d' ' -f1)" ;;
        esac
      done
  fi
  for path in /etc/apt/apt.conf.d/*dockwright* /etc/docker/daemon.json /etc/docker/certs.d/*/ca.crt /etc/default/docker /etc/systemd/system/docker.service.d/*.conf /usr/local/bin/nvidia-docker; do
    file_fact file "$path"
  done

  if [ -d /run/systemd/system ]; then
    systemctl show -p Id,LoadState,UnitFileState,ActiveState,ExecStart docker.service docker.socket containerd.service \
      nvidia-cdi-refresh.path ssh.service sshd.service ssh.socket 2>/dev/null | awk -F= '
        $1 == "Id" { id = $2 } $1 == "LoadState" { load = $2 }
        $1 == "UnitFileState" { file = $2 } $1 == "ActiveState" { active = $2 } $1 == "ExecStart" { start = $0 }
        /^$/ { flush() } END { flush() }
        function flush() {
          if (id != "" && (load == "loaded" || load == "masked") && !seen[id]++) {
            print "unit", id, (file == "" ? "-" : file), active
            # The command as systemd has it, drop-ins counted in.
            if (id == "docker.service" && sub(/.* argv\[\]=/, "", start) && sub(/ ; ignore_errors=.*/, "", start)) print "exec_start", substr(start, 1, 2000)
          }
          id = start = ""
        }'
  fi
  # Networks that are reached by an interface of the host's own; proc_net_route(5): hexadecimal, in
  # this machine's order of bytes.
  awk 'NR > 1 && $8 != "00000000" { print "route", $1, $2, $8 }' /proc/net/route 2>/dev/null | head -n 500
  # Daemons of users, beside which one of root may come; and who else has rules for packets.
  for path in /run/user/*/docker.sock; do [ ! -S "$path" ] || say "rootless $path"; done
  ! grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf || say "firewall ufw"
  [ ! -d /run/firewalld ] || say "firewall firewalld"
  # NAME REVISION STATE KIB; a snap that is disabled has its file, and no "current".
  for snap in docker microk8s; do
    revision='' state=enabled size=-
    for path in /var/lib/snapd/snaps/"$snap"_[0-9x]*.snap; do
      [ ! -e "$path" ] || revision=${path##*_} state=disabled
    done
    if [ -e /snap/$snap/current ]; then revision=$(readlink /snap/$snap/current) state=enabled; fi
    [ "$snap" != docker ] || [ -z "$revision" ] || size=$(timeout 3 du -skx /var/snap/docker 2>/dev/null | cut -f1)
    [ -z "$revision" ] || say "snap $snap ${revision%.snap} $state ${size:--}"
  done
  if group=$(getent group docker 2>/dev/null); then say "docker_group ${group##*:}"; fi
  have getent && say "users $(getent passwd | awk -F: '$3 == 0 || ($3 >= 1000 && $3 < 65534) { print $1 }' | tr '\n' ' ')"
  gpu_facts
  for path in /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml /var/lib/rancher/k3s /var/lib/rancher/rke2 /var/lib/k0s; do
    [ ! -e "$path" ] || say "kubernetes $path"
  done
  if first /sys/module/apparmor/parameters/enabled && [ "$line" = Y ] && ! have apparmor_parser; then
    say "apparmor_parser_missing 1"
  fi
  # Port 22 in LISTEN (0A), of any address: columns of proc_net_tcp.
  ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" && $2 ~ /:0016$/ { f = 1 } END { exit !f }' || say "ssh_listening 1"
  if first /var/lib/dockwright/last; then
    last=$line
    say "last_run $last"
    [ ! -s "/var/lib/dockwright/runs/$last/receipt" ] || say "last_receipt $(head -c 65536 "/var/lib/dockwright/runs/$last/receipt" | b64)"
  fi
  if first /var/lib/dockwright/unverified; then say "unverified $line"; fi
  # A run that is under way: runtime/live.sh has the words of its line.
  if read -r run pid started boot wish since who 2>/dev/null </var/lib/dockwright/live; then
    if [ "$boot" = "$boot_id" ] &&
      [ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$started" ]; then
      say "live $run $wish $since $(printf %s "$who" | b64)"
    else
      say "cut $run" # it died without a last word
    fi
  fi
  }

  # dockerd answers beside the rest; its lines wait in the pipe until the rest is told.
  say "dw1 $nonce begin"
  docker_facts | {
    host_facts
    cat
  }
  say "dw1 $nonce end"
}
facts "$@" </dev/null
