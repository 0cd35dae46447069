# --- merge: daemon.json by key, with the host's own python3 ---------------------------------------

# merged PATH KEYS FRESH [RELOADABLE]: prints the file with KEYS (JSON) merged in; FRESH is the text where there
# is no file, or the very file. Fails with words on stderr where the file is not valid, a key clashes,
# or there is no python3. With RELOADABLE (names) it prints, instead, the keys that need a restart.
merged() {
  if [ ! -e "$1" ] || printf '%s' "$3" | cmp -s - "$1"; then
    printf '%s' "$3"
    return
  fi
  command -v python3 >/dev/null 2>&1 || { echo "$1 exists and there is no python3 to merge it with" >&2; return 1; }
  python3 - "$1" "$2" "${4-}" "${flagged-}" <<'MERGE'
import json, sys
path, keys, reloadable = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3].split()
flags = dict(pair.split("=", 1) for pair in sys.argv[4].split())
def once(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        sys.exit(f"{path}: a key stands there twice")
    return dict(pairs)
def merge(there, wanted, where=""):
    for key, value in wanted.items():
        if isinstance(there.get(key), dict) and isinstance(value, dict):
            program = there[key].get("path")
            if where == "runtimes." and isinstance(program, str) and program.rpartition("/")[2] == value.get("path") and (
                "runtimeArgs" in there[key] or program != value["path"]
            ):
                continue  # the same program, in words of somebody else
            merge(there[key], value, f"{where}{key}.")
        elif key in there and there[key] != value:
            sys.exit(f"{path}: {where}{key} is {json.dumps(there[key])} already, not {json.dumps(value)}")
        else:
            there[key] = value
try:
    text = open(path, encoding="utf-8").read()
    there = json.loads(text, object_pairs_hook=once)
    before, old = json.dumps(there), json.loads(text)
except ValueError as error:
    sys.exit(f"{path} is not valid: {error}")
if not isinstance(there, dict):
    sys.exit(f"{path} is not an object")
merge(there, keys)
if reloadable:
    needed = [k for k in there if there[k] != old.get(k) and k not in reloadable]
    cdi = "features.cdi"  # switched on when dockerd starts, though other features are reloaded
    if cdi not in reloadable and keys.get("features", {}).get("cdi") and not old.get("features", {}).get("cdi"):
        needed.append(cdi)
    sys.exit(print(*needed))
# What dockerd --validate lets pass, and with what the start fails.
proxies, runtimes, default = there.get("proxies"), there.get("runtimes"), str(there.get("default-runtime", "runc"))
for key in sorted(flags.keys() & {*there, *(proxies if isinstance(proxies, dict) else ())} - {"runtimes"}):
    sys.exit(f"{path}: {key} is on dockerd's command line as well ({flags[key]}): dockerd does not start where both say it")
if not default.startswith(("runc", "io.containerd.")) and default not in (runtimes or ()) and "runtimes" not in flags:
    sys.exit(f"{path}: default-runtime is {default}, which is not defined there")
if not str(there.get("data-root", "/")).startswith("/"):
    sys.exit(f"{path}: data-root is no absolute path: {there['data-root']}")
sys.stdout.write(text if json.dumps(there) == before else json.dumps(there, indent=2, ensure_ascii=False) + "\n")
MERGE
}

# judge_merge PATH KEYS FRESH HOW: refuse now what could not be merged later, or would stop containers.
# HOW, reload or restart, is for a file that is not there yet; cdi is a restart where dockerd does not do CDI
# by itself. Sets daemon_how.
judge_merge() {
  daemon_how=$4
  if [ "$4" = cdi ]; then
    daemon_how=restart
    if cdi_by_itself; then daemon_how=reload reloadable="$reloadable features.cdi"; fi
  fi
  [ ! -L "$1" ] || stop 3 guard "$1 is a symlink to $(readlink "$1")" "make it a plain file, or render without docker_daemon"
  if [ -e "$1" ]; then
    merged "$1" "$2" "$3" >"$run/merged" 2>"$out" || stop 3 guard "$1 cannot be merged: $(tail -n 1 "$out")"
    if cmp -s "$run/merged" "$1"; then return; fi
    [ -n "$(merged "$1" "$2" '' "$reloadable")" ] || daemon_how=reload
  fi
  if [ "$daemon_how" = reload ] || ! systemctl is-active -q docker.service 2>/dev/null; then return; fi
  refuse_restart "a new $1 needs a restart"
}

# refuse_restart BRIEF: a restart of dockerd would stop containers, unless agreed to, or move tasks.
refuse_restart() {
  told=$(timeout 20 docker info --format '{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}' 2>/dev/null)
  case $told in active*) stop 9 guard "this is a Swarm node; a restart of dockerd moves its tasks" ;; esac
  [ -z "$allow_restart" ] && [ "$told" = "${told% true}" ] || return 0
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 guard "$1; containers would stop: $names(when they may: --allow-restart)"
}

# take_up FILE: a daemon that runs takes the new file; where it does not, the old file comes back.
take_up() {
  systemctl is-active -q docker.service 2>/dev/null || return 0
  if systemctl "$daemon_how" docker.service && systemctl is-active -q docker.service; then
    receipt "$daemon_how docker.service"
    return 0
  fi
  journalctl -u docker.service -n 20 --no-pager 2>/dev/null
  restore_files
  cause="the daemon did not take the new daemon.json; the old file is back"
  systemctl reset-failed docker.service
  systemctl restart docker.service || {
    exit_code=7
    cause="the daemon starts neither with the new $1 nor with the old one, which is back: mend $1, then: systemctl restart docker"
  }
  return 1
}
