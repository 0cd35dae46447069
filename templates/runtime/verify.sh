# --- verify: what a broken rung most likely means ------------------------------------------------

verify() { # ID TITLE: a check that is run, not applied; it fails with 8
  asked_to_stop "$1"
  record begin "$1" "$2"
  : >"$out"
  cause=
  "apply_$1" >"$out" 2>&1 || stop "${exit_code:-8}" "$1" "${brief:-$2 failed}" "$cause"
  record verified "$1" "$(said)"
}

# run_once SECONDS WORD...: docker run, its output in $answer. Of a container that ends at once, dockerd
# now and then loses all output ("stream copy error: reading from a closed fifo" in its journal; moby
# 41378): where it ended well and said nothing, it is asked again.
run_once() {
  limit=$1
  shift
  for _ in 1 2 3; do
    answer=$(timeout "$limit" docker run --rm "$@" 2>&1) || return
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
    *cgroup*"read-only"*|*cgroup*"Read-only"*) echo "cgroups read-only: containers cannot be made here (a container without delegation?)" ;;
    *iptables*|*nftables*|*nf_tables*|*ip6tables*) echo "firewall tools: iptables or nftables is missing, or the kernel lacks its modules" ;;
    *apparmor*) echo "apparmor: the kernel has it and apparmor_parser is missing; install the package apparmor" ;;
    *"No space left"*|*"no space left"*) echo "disk full below the daemon's data root" ;;
    *"no such host"*|*"server misbehaving"*|*"Temporary failure in name resolution"*) echo "registry unreachable: its name does not resolve here" ;;
    *x509*|*certificate*) echo "registry not trusted: its TLS certificate is unknown here (a proxy that intercepts?)" ;;
    *"connection refused"*|*"i/o timeout"*|*"deadline exceeded"*|*"no route to host"*|*"network is unreachable"*|*"Client.Timeout"*|*EOF*)
      echo "registry unreachable: no answer from it" ;;
    *"manifest unknown"*|*"not found"*|*"access denied"*) echo "no such image, or a login is needed" ;;
    *) echo "unknown: see the output" ;;
  esac
}
