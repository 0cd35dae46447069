# --- ground: what a host is like on which packages, or a daemon, must not be put -------------------
# Uses $wanted (NAME=VERSION, NAME-), $flag_keys (FLAG=KEY: dockerd's flags that daemon.json calls otherwise), $packaged (the
# command line of docker-ce's unit).

# refuse_wsl UNIT: Windows' Subsystem for Linux, where Docker Desktop brings the daemon.
refuse_wsl() {
  case $(systemd-detect-virt 2>/dev/null) in wsl) ;; *) grep -qsi microsoft /proc/sys/kernel/osrelease || return 0 ;; esac
  ! systemctl is-active -q "$1" || return 0
  stop 3 guard "this is Windows' Subsystem for Linux: there Docker Desktop brings the daemon, and two would clash" \
    "turn on Docker Desktop's WSL integration; or, for a daemon in WSL itself, a file that was rendered with --set docker_wsl=true"
}

# refuse_read_only: access(2) tells root of a file system that is mounted read-only; nothing is written for it.
refuse_read_only() {
  for path in /etc /usr /usr/bin /var /var/lib /var/lib/dpkg /var/cache/apt; do
    [ ! -d "$path" ] || [ -w "$path" ] ||
      stop 3 guard "$path cannot be written: its file system is read-only, and dpkg would stop in the middle" "mount -o remount,rw $path; where the system is an image (ostree, a live medium), Docker belongs into the image"
  done
}

# pins: FILE:LINE, priority, pin and names, a tab between them, of each stanza of apt's preferences
# (apt_preferences(5)); a star counts where its pin is about Docker.
pins() {
  for file in /etc/apt/preferences /etc/apt/preferences.d/*; do
    [ -f "$file" ] || continue
    case ${file##*/} in *.pref) ;; *.*) continue ;; esac # apt reads no others
    awk -v file="$file" '
      function told() {
        if (names != "" && pin != "" && priority ~ /^(-?[0-9]+|never)$/) {
          if (priority == "never") priority = -32768
          count = split(names, each, " "); kept = ""
          for (i = 1; i <= count; i++) if (each[i] != "*" || pin ~ /docker/) kept = kept " " each[i]
          if (kept != "") printf "%s:%d\t%s\t%s\t%s\n", file, first, priority, pin, substr(kept, 2)
        }
        names = pin = priority = ""; first = 0
      }
      /^#/ { next }
      /^[ \t\r]*$/ { told(); next }
      {
        if (!first) first = NR
        field = tolower($0); sub(/[ \t]*:.*/, "", field)
        value = $0; sub(/^[^:]*:[ \t]*/, "", value); gsub(/[ \t\r]+/, " ", value); sub(/ $/, "", value)
        if (field == "package") names = value
        else if (field == "pin") pin = value
        else if (field == "pin-priority") priority = value
      }
      END { told() }' "$file"
  done
}

names_it() { # PATTERN NAME: as apt takes a name in its preferences: itself, a glob, or /a regular expression/
  case $1 in
    /?*/) pattern=${1#/}; printf '%s\n' "$2" | grep -qE -e "${pattern%/}" 2>/dev/null ;;
    *)
      # shellcheck disable=SC2254  # a pattern
      case $2 in $1) return 0 ;; esac
      return 1 ;;
  esac
}

# pinned: what of $wanted a pin is against, in words. A version that apt is asked for by name goes before any
# pin, so it is us who respect them. In a process of its own: names may be patterns for the shell.
pinned() (
  set -f
  for pair in $wanted; do
    case $pair in *=*) ;; *) continue ;; esac
    while IFS='	' read -r spot priority pin names; do
      for name in $names; do
        names_it "$name" "${pair%%=*}" || continue
        against=
        [ "$priority" -ge 0 ] || against=1
        case $pin in
          version\ *)
            against='' wish=$(printf '%s' "${pin#version }" | tr -d '"')
            # shellcheck disable=SC2254  # a pattern
            case ${pair#*=} in
              $wish) [ "$priority" -ge 0 ] || against=1 ;;
              *) [ "$priority" -lt 500 ] || against=1 ;;
            esac ;;
        esac
        [ -z "$against" ] || echo "${pair%%=*} is pinned by $spot ($pin, priority $priority), and ${pair#*=} is asked for"
      done
    done <"$run/pins"
  done
)

refuse_pinned() { # STEP
  pins >"$run/pins"
  found=$(pinned | head -n 1)
  [ -z "$found" ] || stop 3 "$1" "$found" "take the pin out, or use a file that was rendered for the version that is meant"
}

# refuse_in_swarm KEYS: where these keys for daemon.json (JSON) switch live-restore on, in a Swarm.
refuse_in_swarm() {
  case $(printf '%s' "$1" | tr -d ' \n') in *'"live-restore":true'*) ;; *) return 0 ;; esac
  case $(timeout 20 docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null) in ''|inactive) return 0 ;; esac
  stop 3 guard "live-restore does not go with Swarm, and this host is a node of one: dockerd does not start with both" "take the node out (docker swarm leave), or use a file without live-restore in docker_daemon"
}

# find_flags: sets flagged, KEY=FLAG of each flag on dockerd's command line: as systemd has it, drop-ins counted
# in, or as docker-ce's unit will have it.
find_flags() {
  line=$(systemctl show -p ExecStart docker.service 2>/dev/null | sed -n '/ argv\[\]=/{s/.* argv\[\]=//;s/ ; ignore_errors=.*//;p;}' | tail -n 1)
  [ -n "$line" ] || line=$(sed -n 's/^ExecStart=[-@:+!]*\(..*\)/\1/p' /etc/systemd/system/docker.service.d/*.conf 2>/dev/null | tail -n 1)
  flagged=$(printf '%s\n' "${line:-$packaged}" | tr -s ' ' '\n' | awk -v keys="$flag_keys" '
    BEGIN { count = split(keys, each, " "); for (i = 1; i <= count; i++) { split(each[i], pair, "="); key[pair[1]] = pair[2] } }
    NR > 1 && /^-/ {
      name = substr($0, 2, 1) # a short one may have its value behind it: -Hfd://
      if (/^--/) { name = substr($0, 3); sub(/=.*/, "", name) }
      printf "%s=%s ", (name in key ? key[name] : name), $0
    }')
}

# refuse_said_twice FILE NAMES: where FILE is not there yet; of one that is there merged() tells.
refuse_said_twice() {
  [ ! -e "$1" ] || return 0
  for key in $2; do
    case " $flagged" in
      *" $key="*) [ "$key" = runtimes ] || stop 3 guard "$key is on dockerd's command line, and this file sets it in $1: dockerd does not start where both say it" "take it out of the unit (systemctl edit docker), or use a file without it in docker_daemon" ;;
    esac
  done
}
