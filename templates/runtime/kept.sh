# --- kept: what a probe fetched, for the program of its plan ----------------------------------------
# /run/dockwright-probed.RUN is the ticket: it names the private directory, and the one of packages that are fetched
# ahead. Who renames it has them.

drop_kept() { # as nobody came for it
  ticket=/run/dockwright-probed.$run_id
  mv -- "$ticket" "$ticket.over" && read -r lists_there archives_there <"$ticket.over" || return
  [ -e "$lists_there/fetched" ] || end_downloads "$lists_there"
  take_away "$lists_there" ${archives_there:+"$archives_there"} "$ticket.over"
}
