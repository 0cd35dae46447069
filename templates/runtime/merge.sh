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
