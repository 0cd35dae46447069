# What this host is, in one read-only round trip. $1: a nonce that frames the answer.
# One fact a line: a key, then words; free text and file contents are base64 (of one line).
# Values are printed as data and are never evaluated here; nothing is written anywhere.
# It runs at each login, on many hosts at once, so it starts few processes: the shell reads small
# files itself, and each program is asked once for all that it knows.
facts() {
  LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG
  nonce=$1 nl='
'
  say() { printf '%s\n' "$*"; }
  have() { command -v "$1" >/dev/null 2>&1; }
  # The first line of a file in $line; no process is started, as there are many such files.
  first() { line='' && { IFS= read -r line <"$1"; } 2>/dev/null; }

  # What dockerd tells at its socket, where the client would ask there, too: "docker info" starts each of
  # the client's plugins, which takes longer than all else here. Ends with another status than 0 where
  # anything is not as expected; then the client is asked. CONTAINERS IMAGES, then lines of facts.
  engine() {
    [ -S /var/run/docker.sock ] && [ -n "$HOME" ] && [ "$(command -v docker)" = /usr/bin/docker ] || return
    # Another context is the client's to follow.
    [ ! -e "$HOME/.docker/config.json" ] || ! grep -qs currentContext "$HOME/.docker/config.json" || return
    perl -e '
      $SIG{ALRM} = sub { exit 1 };
      alarm 3;
      # AF_UNIX and SOCK_STREAM by number: perl-base alone, and no module to load.
      socket(S, 1, 1, 0) && connect(S, pack("S a*", 1, "/var/run/docker.sock")) || exit 1;
      syswrite(S, "GET /info HTTP/1.0\r\n\r\n") || exit 1;
      read S, my $said, 1 << 20;
      my ($head, $body) = split /\r\n\r\n/, $said, 2;
      $head =~ m{^HTTP/1\.\d 200 } && $head =~ m{^Server: Docker/}m || exit 1; # podman answers there, too
      # A key is looked for in the text; one that is there twice is not understood. Within a string its
      # quotes would have backslashes before them.
      sub one { my @found = $body =~ /"$_[0]":$_[1]/g; @found == 1 || exit 1; $found[0] }
      my $text = qr/"([^"\\\x00-\x1f]*)"/;
      my @daemon = (one("ServerVersion", $text), one("LiveRestoreEnabled", "(true|false)"),
        one("LocalNodeState", $text), one("Driver", $text), one("DockerRootDir", $text));
      $daemon[0] =~ /^[^ ]/ || exit 1;
      my @told = (one("Containers", "([0-9]+)") . " " . one("Images", "([0-9]+)"), "daemon @daemon");
      if ($ARGV[0]) {
        my $object = qr/(?<object>\{(?:[^{}"]++|"(?:[^"\\]++|\\.)*+"|(?&object))*+\})/;
        my ($runtimes, @names) = one("Runtimes", $object);
        push @names, "$1 " while $runtimes =~ /\G[{,]$text:$object/gc;
        $runtimes =~ /\G\}$/ || exit 1;
        push @told, join("", "runtimes ", @names);
      }
      print join("\n", @told);
    ' "$gpu" 2>/dev/null
  }
  image_rows() {
    timeout 10 docker image ls --digests --no-trunc --format 'image {{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}' 2>/dev/null | head -n 2000
  }
  container_rows() {
    timeout 10 docker ps --no-trunc --format 'container {{.ID}} {{.Names}} {{.Image}}' 2>/dev/null
  }
  # Where the daemon is down the client says so, leaves the version empty, and ends with 0.
  client_rows() {
    answer=$(timeout 10 docker info --format "$1" 2>&1)
    printf '%s\n' "$answer" | grep '^daemon [^ ]' ||
      say "daemon_error $(printf '%s' "$answer" | grep -v '^daemon \|^runtimes ' | head -c 500 | base64 -w0)"
    [ -z "$gpu" ] || printf '%s\n' "$answer" | grep '^runtimes ' || say 'runtimes '
  }
  docker_facts() {
    # The snap's own client; "snap run" would write to the home directory.
    have docker || { PATH=$PATH:/snap/docker/current/bin gpu='' && have docker; } || return 0
    if told=$(engine); then
      say "${told#*"$nl"}"
      case ${told%%"$nl"*} in
        '0 0') ;;
        '0 '*) image_rows ;;
        *' 0') container_rows ;;
        *) image_rows | { container_rows; cat; } ;;
      esac
      return
    fi
    # Three questions at once: what is told first waits in its pipe for the ones before it.
    format='daemon {{.ServerVersion}} {{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}} {{.Driver}} {{.DockerRootDir}}'
    [ -z "$gpu" ] || format="$format{{\"\\n\"}}runtimes {{range \$name, \$_ := .Runtimes}}{{\$name}} {{end}}"
    image_rows | {
      container_rows | {
        client_rows "$format"
        cat
      }
      cat
    }
  }

  # KIND SHA256 MODE OWNER PATH CONTENT TARGET of regular files and symlinks. Small files come with
  # their content, and their sum is left to the reader; odd paths are base64.
  file_facts() {
    for path; do
      shift
      if [ -f "$path" ] || [ -L "$path" ]; then set -- "$@" "$path"; fi
    done
    [ $# != 0 ] || return 0
    abouts=$(stat -Lc '%s %04a %U:%G %n' "$@" 2>/dev/null)$nl
    for path; do
      # The line about this one, or where it is another's (a link to nowhere, a line break in a name) its own.
      case ${abouts%%"$nl"*} in
        *" $path") about=${abouts%%"$nl"*} && about=${about%" $path"} abouts=${abouts#*"$nl"} ;;
        *) about=$(stat -Lc '%s %04a %U:%G' "$path" 2>/dev/null) || about='0 0000 ?:?' ;;
      esac
      case $path in
        /etc/apt/sources.list*) kind=source ;;
        /etc/apt/keyrings/*|/usr/share/keyrings/*|/etc/apt/trusted.gpg*) kind=key ;;
        *) kind='file' ;;
      esac
      sum=- target=- place=$path
      if [ -L "$path" ]; then target=$(readlink "$path" | base64 -w0); fi
      case $path in *[!A-Za-z0-9/._@+-]*) place=$(printf %s "$path" | base64 -w0) ;; esac
      body=-
      if [ ! -r "$path" ]; then
        sum=unreadable
      elif [ "${about%% *}" -gt 65536 ]; then
        sum=$(sha256sum <"$path") && sum=${sum%% *}
      elif [ -s "$path" ]; then
        printf '%s ' "$kind" - "${about#* }" "$place"
        base64 -w0 <"$path"
        say " $target"
        continue
      else
        body='='
      fi
      say "$kind $sum ${about#* } $place $body $target"
    done
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

  # NVIDIA's GPUs. Sets gpu where there is one, or a driver.
  gpu_devices() {
    gpu=''
    for path in /sys/bus/pci/devices/*; do
      if first "$path/vendor" && [ "$line" = 0x10de ] && first "$path/class"; then
        case $line in
          0x0300*|0x0302*|0x0380*)
            first "$path/device" && gpu=1 && bound=$(readlink "$path/driver")
            bound=${bound##*/} && say "gpu ${path##*/} $line ${bound:--}" ;;
        esac
      fi
    done
    [ ! -e /dev/dxg ] || say "gpu_platform wsl"
    [ ! -e /etc/nv_tegra_release ] || say "gpu_platform jetson"
    [ ! -e /proc/driver/nvidia/version ] || gpu=1
  }

  # Their driver, and what containers get of them.
  gpu_facts() {
    library=''
    awk '/^NVRM/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+(\.[0-9]+)+$/) { print "nvidia_module", $i; exit } }' \
      /proc/driver/nvidia/version 2>/dev/null
    for path in /usr/lib/*/libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.1; do
      [ ! -e "$path" ] || { library=$(readlink -f "$path") && say "nvidia_library ${library##*.so.}" && break; }
    done
    if [ ! -e /proc/driver/nvidia/version ]; then
      # Where a driver may be wanted: a module for this kernel, a desktop; the packages are with the others.
      kernel=$(uname -r)
      for path in /lib/modules/"$kernel"/kernel/nvidia*/nvidia.ko* /lib/modules/"$kernel"/updates/dkms/nvidia*.ko*; do
        [ ! -e "$path" ] || { say "nvidia_built 1" && break; }
      done
      [ ! -e /etc/systemd/system/display-manager.service ] || say "desktop 1"
    fi
    # The package of the driver that unattended-upgrades may change: neither held nor named in apt's configuration.
    if [ -n "$library" ] && grep -qsE '^[^/#]*Unattended-Upgrade +"1"' /etc/apt/apt.conf.d/* && ! grep -qsE '^[^/#]*"[^"]*nvidia' /etc/apt/apt.conf.d/*; then
      owner=$(dpkg-query -S "$library" 2>/dev/null) && owner=${owner%%:*}
      [ -z "$owner" ] || [ "$(dpkg-query -W -f='${db:Status-Want}' "$owner")" = hold ] || say "nvidia_loose $owner"
    fi
    # Without the module nvidia-smi would try to load it; with it, it only asks.
    if [ -e /proc/driver/nvidia/version ] && have nvidia-smi; then
      # Two questions at once: without a persistent driver each takes a second or more.
      timeout 20 nvidia-smi --query-gpu=index,mig.mode.current --format=csv,noheader 2>/dev/null | sed -n 's/^\([0-9]*\), Enabled$/nvidia_mig \1/p' | {
        answer=$(timeout 20 nvidia-smi -L 2>&1)
        say "nvidia_smi $? $(printf '%s' "$answer" | head -c 8000 | base64 -w0)"
        cat
      }
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
  }

  # What programs tell, each part under its name, for the awk below. They wait for others (systemd, the
  # disk), so they run beside the rest.
  programs() {
    if have systemd-detect-virt; then
      # A container's manager wrote down what it is; systemd-detect-virt looks there, too.
      kind=''
      { first /run/host/container-manager || first /run/systemd/container; } && kind=$line
      first /proc/sys/kernel/osrelease
      case $kind:$line in *icrosoft*|*WSL*) kind='' ;; systemd-nspawn:*|lxc:*|docker:*|podman:*) ;; *) kind='' ;; esac
      say @virtualisation
      if [ -n "$kind" ] && [ ! -e /proc/vz ]; then say "$kind"; else systemd-detect-virt 2>/dev/null; fi
    fi
    if have dpkg; then
      say @architecture
      dpkg --print-architecture
    fi
    if [ -d /run/systemd/system ]; then
      # systemd would look for each that is not there, at length: only those that have a file, and
      # those that run. sshd.service is most often another name.
      units=''
      set -- /etc/systemd/system* /run/systemd/* /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system \
        /sys/fs/cgroup/system.slice /sys/fs/cgroup/systemd/system.slice
      for unit in docker.service docker.socket containerd.service nvidia-cdi-refresh.path ssh.service sshd.service ssh.socket; do
        for path; do
          path=$path/$unit
          if [ -e "$path" ] || [ -L "$path" ]; then
            [ "$unit" = sshd.service ] && [ "$path" -ef /lib/systemd/system/ssh.service ] || units="$units $unit"
            break
          fi
        done
      done
      say @units
      # shellcheck disable=SC2086  # a list of words on purpose
      [ -z "$units" ] || systemctl show -p Id,LoadState,UnitFileState,ActiveState,ExecStart $units 2>/dev/null
    fi
    if have dpkg-query; then
      say @packages
      # It ends with 1 where there are none.
      dpkg-query -W -f='+${db:Status-Abbrev}\t${Package}\t${db:Status-Status}\t${db:Status-Want}\t${Version}\n' '*' 2>&1 ||
        [ $? = 1 ] || say 'database unreadable'
    fi
    if have getent; then
      say @group
      getent group docker 2>/dev/null
      say @users
      getent passwd
    fi
    say @end
  }
  told_by_programs() {
    set --
    [ ! -r /proc/net/route ] || set -- /proc/net/route
    [ -z "$gpu" ] || [ -e /proc/driver/nvidia/version ] || driverless=1
    # The Docker family of every origin, and what stands beside it.
    awk -v driverless="${driverless-}" -v names="docker docker-ce docker-ce-cli docker-ce-rootless-extras docker-buildx-plugin docker-compose-plugin \
      docker-model-plugin docker-engine docker.io docker-cli docker-buildx docker-compose docker-compose-v2 \
      docker-doc podman-docker containerd.io containerd runc rootlesskit moby-engine moby-cli moby-buildx \
      moby-compose moby-containerd moby-runc nvidia-docker nvidia-docker2 nvidia-container-runtime \
      nvidia-container-runtime-hook nvidia-container-toolkit nvidia-container-toolkit-base \
      libnvidia-container-tools libnvidia-container1 ca-certificates openssh-server apparmor iptables nftables apt" '
      BEGIN { count = split(names, name, " "); for (i = 1; i <= count; i++) family[name[i]] = 1 }
      # Networks that an interface of this host reaches; proc_net_route(5): hexadecimal, in the order of
      # bytes of this machine.
      FILENAME == "/proc/net/route" { if (FNR > 1 && $8 != "00000000" && routes++ < 500) print "route", $1, $2, $8; next }
      /^@/ {
        ended()
        part = substr($1, 2)
        next
      }
      part == "virtualisation" || part == "architecture" { print part, $0 }
      part == "units" {
        at = index($0, "=")
        if (at) unit[substr($0, 1, at - 1)] = substr($0, at + 1)
        else unit_told()
      }
      part == "packages" && /^\+/ {
        split($0, word, "\t")
        row = word[2] " " word[3] " " word[4] " " word[5]
        if (word[2] in family) print "package " row
        # Where a driver may be wanted: what there is of it, and what brings new kernels.
        else if (driverless && word[2] ~ /^(nvidia-|linux-modules-nvidia-|linux-headers-|libnvidia-tesla-|libcuda1$|firmware-nvidia-gsp$)/ && word[2] !~ /^nvidia-(docker|container)/) more = more "package " row "\n"
        if (driverless && word[3] == "installed" && word[2] ~ /^linux-image-[a-z]/) print "kernel_package " word[2]
        # What "dpkg --audit" would name, without what is harmless: half installed, unpacked, triggers.
        if (word[3] != "not-installed" && (substr(word[1], 3, 1) !~ /[inc]/ || substr(word[1], 4, 1) != " ")) audited(substr(word[1], 2) " " word[2])
        next
      }
      # Its complaints.
      part == "packages" && !/^dpkg-query: no packages found/ && (/database unreadable/ || substr($0, 2, 1) !~ /[inc]/ || substr($0, 3, 1) != " ") { audited($0) }
      part == "group" && sub(/.*:/, "") { print "docker_group " $0 }
      part == "users" && split($0, word, ":") && (word[3] == 0 || (word[3] >= 1000 && word[3] < 65534)) { users = users word[1] " " }
      # Of a flood the rest is told as it comes: whoever reads it gives up.
      function audited(line) { if (length(audit) < 2000) audit = audit line "\n"; else print "dpkg_more", line }
      function ended() {
        if (part == "users") print "users " users
        if (part == "units") unit_told()
        if (part != "packages") return
        printf "%s", more
        encode = "head -c 2000 | base64 -w0"
        printf "dpkg_audit "
        if (audit != "") {
          fflush()
          printf "%s", audit | encode
          close(encode)
        }
        print ""
      }
      function unit_told() {
        id = unit["Id"]
        if (id != "" && (unit["LoadState"] == "loaded" || unit["LoadState"] == "masked") && !seen[id]++) {
          print "unit", id, (unit["UnitFileState"] == "" ? "-" : unit["UnitFileState"]), unit["ActiveState"]
          # The command as systemd has it, drop-ins counted in.
          start = unit["ExecStart"]
          if (id == "docker.service" && sub(/.* argv\[\]=/, "", start) && sub(/ ; ignore_errors=.*/, "", start)) print "exec_start", substr(start, 1, 2000)
        }
        split("", unit)
      }' - "$@" <&4
  }

  host_facts() {
  [ ! -r /etc/os-release ] || { printf 'os_release '; base64 -w0 </etc/os-release; say; }
  first /proc/sys/kernel/hostname || line=$(uname -n)
  say "hostname $line"
  # uname tells of a 32-bit personality, too, and kernels before 6.1 have no such file.
  { first /proc/self/personality && [ "$line" = 00000000 ] && first /proc/sys/kernel/arch; } || line=$(uname -m)
  say "machine $line"
  first /proc/sys/kernel/osrelease && say "kernel $line"
  date +'clock %s'
  first /proc/sys/kernel/random/boot_id && boot_id=$line && say "boot_id $line"
  first /etc/machine-id && say "machine_id $line"
  user=''
  while read -r key _ value _ && [ "$key" != Uid: ]; do :; done 2>/dev/null </proc/self/status && user=$value
  user=${user:-$(id -u)} && say "uid $user ${SUDO_USER:--}"
  if [ -d /run/systemd/system ]; then say "init systemd"; else first /proc/1/comm && say "init $line"; fi
  set --
  for path in / /usr /var /var/lib/docker /var/lib/containerd /run; do
    [ ! -d "$path" ] || set -- "$@" "$path"
  done
  stat -fc '%a %b %S %d %c %n' "$@" 2>/dev/null | while read -r free total size inodes all path; do
    [ "$all" != 0 ] || inodes=- # btrfs has none to count
    say "disk $path $(((free * size + 1023) / 1024)) $(((total * size + 1023) / 1024)) $inodes"
  done
  # access(2) tells root of a file system that is mounted read-only; nothing is written for it.
  [ "$user" != 0 ] || for path in /etc /usr /usr/bin /var /var/lib /var/lib/dpkg /var/cache/apt; do
    [ ! -d "$path" ] || [ -w "$path" ] || say "read_only $path"
  done
  ! have dpkg-query || for path in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$path" ] || say "dpkg_interrupted 1"; done
  # What the host's own lists offer of the vendor's packages. Read as files: apt-cache would write
  # its cache, and rebuild it for a second or two where it is stale.
  lists=0 packed=''
  set --
  for path in /var/lib/apt/lists/*_Packages*; do
    [ -e "$path" ] || continue
    lists=1
    case $path in
      *download.docker.com*|*docker-ce*|*libnvidia-container*)
        set -- "$@" "$path"
        case $path in *_Packages) ;; *) packed=1 ;; esac ;;
    esac
  done
  say "apt_lists $lists"
  offered='
    $1 == "Package:" { name = $2 }
    $1 == "Version:" && name ~ /^(docker-ce|docker-ce-cli|containerd\.io|docker-(buildx|compose|model)-plugin|docker-ce-rootless-extras|nvidia-container-toolkit|nvidia-docker2)$/ {
      print "offered", name, $2 }'
  if [ -n "$packed" ]; then
    for path; do /usr/lib/apt/apt-helper cat-file "$path" 2>/dev/null; done | awk "$offered"
  elif [ $# != 0 ]; then
    awk "$offered" "$@" 2>/dev/null
  fi
  # Where apt was told not to verify: FILE:LINE:TEXT of settings and of sources.
  lax=$(grep -HnsiE '^[^#/]*Allow(Unauthenticated|InsecureRepositories|WeakRepositories|DowngradeToInsecureRepositories)[ "]+(1|yes|true|on)|^ *deb.*\[[^]]*(trusted|allow-insecure)=yes|^ *(trusted|allow-insecure): *yes' \
    /etc/apt/apt.conf /etc/apt/apt.conf.d/* /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
  [ -z "$lax" ] || say "apt_lax $(printf '%s' "$lax" | head -c 4000 | base64 -w0)"
  # Pins that may be about Docker.
  set --
  for path in /etc/apt/preferences /etc/apt/preferences.d/*; do [ ! -f "$path" ] || set -- "$@" "$path"; done
  [ $# = 0 ] || grep -lsiE 'docker|containerd' "$@" | while read -r path; do
    say "pin $path $(head -c 8192 "$path" | base64 -w0)"
  done
  for path in /var/lib/apt/lists/*Release; do [ ! -e "$path" ] || say "list ${path##*/}"; done

  # Apt sources that name a vendor, in both formats, the keys beside them, and other settings.
  set --
  for path in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ ! -f "$path" ] || set -- "$@" "$path"
  done
  named=''
  [ $# = 0 ] || named=$nl$(grep -liE 'docker|nvidia' "$@" 2>/dev/null)$nl
  set --
  for path in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    # By its name, too: a page that was saved as a list may hold no such word.
    case ${path##*/} in
      *nvidia*) set -- "$@" "$path" ;;
      *) case $named in *"$nl$path$nl"*) set -- "$@" "$path" ;; esac ;;
    esac
  done
  file_facts "$@" /etc/apt/keyrings/* /usr/share/keyrings/*docker* /usr/share/keyrings/*nvidia* /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d/*docker* /etc/apt/trusted.gpg.d/*nvidia* \
    /etc/apt/apt.conf.d/*dockwright* /etc/docker/daemon.json /etc/docker/certs.d/*/ca.crt /etc/default/docker /etc/systemd/system/docker.service.d/*.conf /usr/local/bin/nvidia-docker
  # The login of apt's proxy stays here: a sum that nobody can make without this answer's nonce.
  if [ -r /etc/apt/auth.conf.d/95dockwright-proxy.conf ]; then
    sum=$({ say "$nonce" && sed -n '/^machine /p' /etc/apt/auth.conf.d/95dockwright-proxy.conf; } | sha256sum) && say "proxy_login ${sum%% *}"
  fi
  # So do root's logins at registries; docker writes each key on a line of its own.
  if [ -r /root/.docker/config.json ]; then
    sed -n 's/^[[:space:]]*"\([^"]*\)": {$/server \1/p; s/^[[:space:]]*"\([^"]*\)": {},*$/helper \1/p; s/^[[:space:]]*"auth": "\([A-Za-z0-9+\/=]*\)".*$/auth \1/p' /root/.docker/config.json |
      head -n 200 | while read -r word value; do
        case $word in
          server) server=$value ;;
          helper) say "login $value -" ;; # a credential helper has it
          auth) sum=$({ say "$nonce" && say "$value"; } | sha256sum) && say "login $server ${sum%% *}" ;;
        esac
      done
  fi
  # Daemons of users, beside which one of root may come; and who else has rules for packets.
  for path in /run/user/*/docker.sock; do [ ! -S "$path" ] || say "rootless $path"; done
  [ ! -e /etc/ufw/ufw.conf ] || ! grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf || say "firewall ufw"
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
  [ -z "$gpu" ] || gpu_facts
  for path in /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml /var/lib/rancher/k3s /var/lib/rancher/rke2 /var/lib/k0s; do
    [ ! -e "$path" ] || say "kubernetes $path"
  done
  if first /sys/module/apparmor/parameters/enabled && [ "$line" = Y ] && ! have apparmor_parser; then
    say "apparmor_parser_missing 1"
  fi
  # Port 22 in LISTEN (0A), of any address: columns of proc_net_tcp.
  # Those that listen come first; behind them the kernel looks through all of its table, which is large.
  listening='' count=0
  while [ $((count += 1)) -lt 40 ] && read -r _ local _ state _; do
    case $state:$local in
      st:*) ;;
      0A:*:0016) listening=1 && break ;;
      0A:*) ;;
      *) break ;;
    esac
  done 2>/dev/null </proc/net/tcp
  [ -n "$listening" ] || ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" && $2 ~ /:0016$/ { f = 1 } END { exit !f }' || listening=1
  [ -z "$listening" ] || say "ssh_listening 1"
  if first /var/lib/dockwright/last; then
    last=$line
    say "last_run $last"
    [ ! -s "/var/lib/dockwright/runs/$last/receipt" ] || say "last_receipt $(head -c 65536 "/var/lib/dockwright/runs/$last/receipt" | base64 -w0)"
  fi
  if first /var/lib/dockwright/unverified; then say "unverified $line"; fi
  # A run that is under way: runtime/live.sh has the words of its line.
  if read -r run pid started boot wish since who 2>/dev/null </var/lib/dockwright/live; then
    if [ "$boot" = "$boot_id" ] &&
      [ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$started" ]; then
      say "live $run $wish $since $(printf %s "$who" | base64 -w0)"
    else
      say "cut $run" # it died without a last word
    fi
  fi
  }

  say "dw1 $nonce begin"
  gpu_devices
  # dockerd answers beside the rest; its lines wait in the pipe until the rest is told.
  rest() {
    programs | {
      exec 4<&0 </dev/null
      host_facts
      told_by_programs
    }
  }
  if have docker || [ -e /snap/docker/current/bin/docker ]; then
    docker_facts | {
      rest </dev/null
      cat
    }
  else
    rest
  fi
  say "dw1 $nonce end"
}
facts "$@" </dev/null
