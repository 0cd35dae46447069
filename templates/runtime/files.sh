# --- files: old or new, never half; what stood there before is kept -----------------------------

sum_of() { # PATH: sha256 of a file, or "absent"
  if [ -e "$1" ] || [ -L "$1" ]; then
    hash=$(sha256sum <"$1" 2>/dev/null) || hash=unreadable
    printf '%s' "${hash%% *}"
  else
    printf absent
  fi
}

# What undo and uninstall need: one line a change, written before it. Cut in between, a line tells of
# what is not there, which is as before; the other way round it would be nobody's for ever.
receipt() { printf '%s\n' "$*" >>"$run/receipt"; }

keep() { # PATH: keep a copy of what stands there, once a run
  [ -e "$1" ] || { receipt "file $1 absent -"; return; }
  name=$(printf '%s' "$1" | tr / %)
  [ ! -e "$run/backup/$name" ] || return 0
  mkdir -p "$run/backup" && cp -p -- "$1" "$run/backup/$name" && sync "$run/backup/$name" &&
    receipt "file $1 $(sum_of "$1") $run/backup/$name"
}

put() { # PATH MODE CONTENT: by a temporary file beside it, made durable, then renamed
  keep "$1" || return
  dir=${1%/*}
  # Each that is missing, so that all of them go again.
  above=$dir
  while [ ! -d "$above" ]; do receipt "directory $above" && above=${above%/*} || return; done
  [ -d "$dir" ] || mkdir -p "$dir" || return
  temporary=$dir/.dockwright-$run_id
  # A run that was cut may have left its own.
  for left in "$dir"/.dockwright-*; do [ ! -e "$left" ] || rm -f -- "$left" || return; done
  { (umask 077 && set -C && printf '%s' "$3" >"$temporary") &&
    { [ ! -g "$dir" ] || chown root:root "$temporary"; } && chmod "$2" "$temporary" && receipt "wrote $1 $(sum_of "$temporary")" &&
    sync "$temporary" "$run/receipt" && mv -f -- "$temporary" "$1"; } || { rm -f -- "$temporary"; return 1; }
  sync "$dir"
}

holds() { # PATH MODE CONTENT: the file is there, with that content and mode
  [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %04a "$1")" = "$2" ] || return
  printf '%s' "$3" | cmp -s -- - "$1"
}
