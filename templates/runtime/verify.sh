# --- verify: what a broken rung most likely means ------------------------------------------------

verify() { # ID TITLE: a check that is run, not applied; it fails with 8
  asked_to_stop "$1"
  record begin "$1" "$2"
  : >"$out"
  cause=
  "apply_$1" >"$out" 2>&1 || stop "${exit_code:-8}" "$1" "${brief:-$2 failed}" "$cause"
  hear
  record verified "$1" "$heard"
}

# pull_once SECONDS IMAGE: docker pull, its output, with the digest, in $answer; pulled_goes undoes it. An image that is
# there only for the check goes again, also where a run was cut before it could.
pull_once() {
  checking=dockwright.check=look
  [ -z "${events-}" ] || checking=dockwright.check=run
  had=1
  [ ! -e "$state/pulled" ] || left_over=1 # an earlier run was cut
  docker image inspect "$2" >/dev/null 2>&1 || had=
  ! grep -qsxF -- "$2" "$state/pulled" || had=
  [ -n "$had" ] || [ -z "${events-}" ] || printf '%s\n' "$2" >>"$state/pulled"
  answer=$(timeout "$1" docker pull "$2" 2>&1) && return
  docker image inspect "$2" >/dev/null 2>&1 || pulled_is_gone "$2"
  return 1
}

# pulled_goes IMAGE: with the containers of runs that were cut ($left_over). One that was made and not started yet is
# not taken away by --rm, and keeps the image. The host's lock says that no other run's check is on; a
# look takes no lock, so the containers of looks are left alone.
pulled_goes() {
  [ -z "${events-}" ] || [ -z "${left_over-}" ] || for left in $(docker ps -aq --filter "label=$checking"); do docker rm -f "$left"; done
  [ -n "$had" ] || ! docker image rm "$1" || pulled_is_gone "$1"
} >/dev/null 2>&1

pulled_is_gone() { # IMAGE
  [ -e "$state/pulled" ] || return 0
  grep -vxF -- "$1" "$state/pulled" >"$state/.pulled"
  if [ -s "$state/.pulled" ]; then mv -f -- "$state/.pulled" "$state/pulled"; else rm -f -- "$state/.pulled" "$state/pulled"; fi
}

# registry_answers HOST: whether the daemon reaches it and trusts it: asked for an image that nobody
# has, a registry says so, or wants a login. What was said is in $answer.
registry_answers() {
  answer=$(timeout 60 docker pull -q "$1/dockwright/none:none" 2>&1) && return
  case $answer in
    *"manifest unknown"*|*"not found"*|*"name unknown"*|*denied*|*nauthorized*|*"no basic auth"*|*"authentication required"*) return 0 ;;
  esac
  return 1
}

# silent_mirror: where a mirror of the hub is not reached, that is the cause. dockerd passes over a dead
# one in silence, and its last word is about the hub, where that is not reached either.
silent_mirror() {
  case $cause in "registry unreachable"*) ;; *) return ;; esac
  for mirror in $(timeout 20 docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}' 2>/dev/null); do
    place=${mirror#*://} place=${place%/}
    registry_answers "$place" || { cause="mirror: $mirror does not serve this host ($(cause_of "$answer")), and neither does the hub"; return; }
  done
}

# run_once SECONDS WORD...: docker run, its output in $answer. Of a container that ends at once, dockerd
# now and then loses all output ("stream copy error: reading from a closed fifo" in its journal; moby
# 41378): where it ended well and said nothing, it is asked again.
run_once() {
  limit=$1
  shift
  for _ in 1 2 3; do
    answer=$(timeout "$limit" docker run --rm --label "$checking" "$@" 2>&1) || { rc=$? left_over=1; return "$rc"; }
    [ -z "$answer" ] || return 0
  done
  answer="the container ended with 0 and said nothing"
}

# cause_of TEXT: Docker's own words (they are not translated) to a cause.
cause_of() {
  case $1 in
    *toomanyrequests*|*"rate limit"*) echo "rate limit: the hub counts pulls of this address; log in, or use a mirror" ;;
    *"permission denied"*docker.sock*) echo "permission: this user may not talk to the daemon" ;;
    *"Cannot connect to the Docker daemon"*|*"docker.sock: connect"*) echo "daemon down: systemctl status docker; journalctl -u docker" ;;
    *cgroup*"read-only"*|*cgroup*"Read-only"*|*"mountpoint for cgroup"*) echo "cgroups read-only: containers cannot be made here (a container without delegation?)" ;;
    *"apply cgroup"*|*"create cgroup"*) echo "cgroups not made: they are read-only (a container without delegation?), or systemd did not get round to it; once more: dockwright verify" ;;
    *iptables*|*nftables*|*nf_tables*|*ip6tables*) echo "firewall tools: iptables or nftables is missing, or the kernel lacks its modules" ;;
    *apparmor*) echo "apparmor: the kernel has it and apparmor_parser is missing; install the package apparmor" ;;
    *"manifest verification failed"*|*"unexpected commit digest"*|*"ilesystem layer verification failed"*|*"does not match digest"*|*"does not match expected"*|*"digest mismatch"*)
      echo "not the pinned digest: the registry serves something else under it" ;;
    *"HTTP response to HTTPS client"*) echo "registry speaks plain http: 'insecure: true' lets the daemon do so" ;;
    *nauthorized*|*"no basic auth"*|*"authentication required"*|*"incorrect username or password"*)
      echo "login refused: user or password is wrong, or there is no login" ;;
    *"No space left"*|*"no space left"*) echo "disk full below the daemon's data root" ;;
    *"no such host"*|*"server misbehaving"*|*"Temporary failure in name resolution"*) echo "registry unreachable: its name does not resolve here" ;;
    *x509*|*certificate*) echo "registry not trusted: its TLS certificate is unknown here (a proxy that intercepts?)" ;;
    *"connection refused"*|*"i/o timeout"*|*"deadline exceeded"*|*"no route to host"*|*"network is unreachable"*|*"Client.Timeout"*|*EOF*)
      echo "registry unreachable: no answer from it" ;;
    *"manifest unknown"*|*"name unknown"*|*"not found"*|*"access denied"*) echo "no such image, or a login is needed" ;;
    *) echo "unknown: see the output" ;;
  esac
}

# why_down UNIT: what its journal says of why it does not start, as a cause; silent where that is nothing
# known. Where the running kernel's modules are gone, nothing that is missing can be loaded before a reboot.
why_down() {
  last=$(journalctl -q -u "$1" -n 60 -o cat --no-pager 2>/dev/null | grep -E 'failed to start daemon|unable to configure|level=(fatal|error)' | tail -n 1)
  why=$(cause_of "$last")
  case $why in "firewall tools"*|cgroups*|apparmor*|"disk full"*) ;; *) why='' ;; esac
  if [ ! -d "/lib/modules/$(uname -r)" ] && ls -d /lib/modules/*/ >/dev/null 2>&1; then
    why="the modules of the running kernel, $(uname -r), are gone: it was upgraded. Reboot, then run the same command"
  fi
  printf %s "$why"
}

# start_denied UNIT: whether the host's policy forbids that packages start it, by 101; deb-systemd-invoke(1p).
start_denied() {
  command -v policy-rc.d >/dev/null || return
  policy-rc.d "$1" start >/dev/null 2>&1
  [ $? = 101 ]
}
