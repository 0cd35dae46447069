# --- proxy: how apt gets out; $proxy is its URL without a login, or nothing ----------------------

# through_proxy COMMAND ARGUMENT...: an apt program, with our proxy and its login where there are.
through_proxy() {
  if [ -n "${proxy-}" ]; then set -- "$@" -o Acquire::http::Proxy="$proxy" -o Acquire::https::Proxy="$proxy"; fi
  if [ -n "${auth-}" ]; then set -- "$@" -o Dir::Etc::netrcparts="$auth"; fi
  "$@"
}

# hold_login LINE: the proxy's login, in memory and for root alone, beside the host's own logins
# (apt_auth.conf(5)); finish takes it away. apt reads these files before it drops to the user _apt.
hold_login() {
  auth=$(mktemp -d "${scratch:-/run}/dockwright-auth.XXXXXX") || return
  (umask 077 && printf '%s\n' "$1" >"$auth/00-dockwright.conf") || return
  for file in /etc/apt/auth.conf.d/*.conf; do
    case $file in */95dockwright-proxy.conf) continue ;; esac
    [ ! -f "$file" ] || cp -p -- "$file" "$auth/" || return
  done
}

# configured_proxies: those of the host's own apt, without their logins.
configured_proxies() {
  apt-config dump 2>/dev/null |
    sed -n 's/^Acquire::https*::Proxy[^ ]* "\([a-z]*:\/\/\)\([^"]*@\)\{0,1\}\([^"@]*\)";$/\1\3/p' | sort -u | head -n 8
}

# proxy_fails TEXT: whether apt's words are about a proxy, and not about a repository; sets culprit.
proxy_fails() {
  for culprit in ${proxy:-$(configured_proxies)}; do
    place=${culprit#*://} place=${place%/} name=${place%:*}
    case $1 in
      *"407  Proxy Auth"*|*"Invalid response from proxy"*|*"connect to $place"*|*"connection to $place"*|*"resolving '$name'"*|*"resolve '$name'"*)
        return 0 ;;
    esac
  done
  return 1
}

stop_at_proxy() { # STEP TEXT: 5 where it is the proxy's fault
  ! proxy_fails "$2" || stop 5 "$1" "the proxy $culprit does not let this host's apt through"
}
