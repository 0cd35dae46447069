main() {
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
run_id=2026-11-24-1f3a2b
# --- kept: what a probe fetched, for the program of its plan ----------------------------------------
# /run/dockwright-probed.RUN is the ticket: it names the private directory, and the one of packages that are fetched
# ahead. Who renames it has them.

drop_kept() { # as nobody came for it
  ticket=/run/dockwright-probed.$run_id
  mv -- "$ticket" "$ticket.over" && read -r lists_there archives_there <"$ticket.over" || return
  ! read -r fetcher <"$lists_there/fetcher" || kill "$fetcher"
  rm -rf -- "$lists_there" ${archives_there:+"$archives_there"} "$ticket.over"
}

drop_kept
printf 'dw1 %s end - - 0\n' "$run_id"
}
main </dev/null 2>/dev/null
