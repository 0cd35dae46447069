# --- merge: daemon.json by key, with the host's own python3 ---------------------------------------

# merged PATH KEYS FRESH: prints the file with KEYS (JSON) merged in; FRESH is the text where there
# is no file. Fails with words on stderr where the file is not valid, a key clashes, or no python3.
merged() {
  [ -e "$1" ] || { printf '%s' "$3"; return; }
  command -v python3 >/dev/null 2>&1 || { echo "$1 exists and there is no python3 to merge it with" >&2; return 1; }
  python3 - "$1" "$2" <<'MERGE'
import json, sys
path, keys = sys.argv[1], json.loads(sys.argv[2])
def once(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        sys.exit(f"{path}: a key stands there twice")
    return dict(pairs)
def merge(there, wanted, where=""):
    for key, value in wanted.items():
        if isinstance(there.get(key), dict) and isinstance(value, dict):
            merge(there[key], value, f"{where}{key}.")
        elif key in there and there[key] != value:
            sys.exit(f"{path}: {where}{key} is {json.dumps(there[key])} already, not {json.dumps(value)}")
        else:
            there[key] = value
try:
    text = open(path, encoding="utf-8").read()
    there = json.loads(text, object_pairs_hook=once)
    before = json.dumps(there)
except ValueError as error:
    sys.exit(f"{path} is not valid: {error}")
if not isinstance(there, dict):
    sys.exit(f"{path} is not an object")
merge(there, keys)
sys.stdout.write(text if json.dumps(there) == before else json.dumps(there, indent=2, ensure_ascii=False) + "\n")
MERGE
}

# judge_merge PATH KEYS HOW: refuse now what could not be merged later, or would stop containers.
judge_merge() {
  [ ! -L "$1" ] || stop 3 guard "$1 is a symlink to $(readlink "$1")" "make it a plain file, or render without docker_daemon"
  if [ -e "$1" ]; then
    merged "$1" "$2" '' >"$run/merged" 2>"$out" ||
      stop 3 guard "$1 cannot be merged: $(tail -n 1 "$out")"
    if cmp -s "$run/merged" "$1"; then return; fi
  fi
  if [ "$3" = reload ] || ! systemctl is-active -q docker.service 2>/dev/null; then return; fi
  told=$(timeout 20 docker info --format '{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}' 2>/dev/null)
  case $told in active*) stop 9 guard "this is a Swarm node; a restart of dockerd moves its tasks" ;; esac
  [ -z "$allow_restart" ] && [ "$told" = "${told% true}" ] || return 0
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 guard "a new $1 needs a restart; containers would stop: $names(when they may: --allow-restart)"
}

# take_up HOW: a daemon that runs takes the new file; where it does not, the old file comes back.
take_up() {
  systemctl is-active -q docker.service 2>/dev/null || return 0
  if systemctl "$1" docker.service && systemctl is-active -q docker.service; then
    receipt "$1 docker.service"
    return 0
  fi
  journalctl -u docker.service -n 20 --no-pager 2>/dev/null
  restore_files
  cause="the daemon did not take the new daemon.json; the old file is back"
  systemctl reset-failed docker.service
  systemctl restart docker.service || exit_code=7
  return 1
}
