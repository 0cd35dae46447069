main() {
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
run_id=2026-11-24-1f3a2b
# --- away: what is private to a run goes, for good ------------------------------------------------

# take_away PATH...: what was stopped or killed a moment ago may still write there, and rm(1) fails then.
take_away() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$@" 2>/dev/null && return
    sleep 0.1
  done
}

# end_downloads DIRECTORY: by apt, into a directory of ours, which its arguments name; true where nobody else is at work
# with it. Who changes packages goes on: a dpkg that is stopped in the middle leaves more to mend.
end_downloads() {
  case $1 in */dockwright*) ;; *) return 1 ;; esac # less than a name of ours is in anybody's arguments
  at_work=0 places=$(grep -lsF -- "$1" /proc/[0-9]*/cmdline)
  for place in $places; do
    [ -O "$place" ] && words=" $(tr '\0' ' ' <"$place") " && worker=${place#/proc/} || continue # whoever may name it
    case $words in
      '  '|' grep '*) ;;
      *' --download-only '*|*' download-file '*|*' update '*|*' download '*) kill "${worker%%/*}" ;;
      *) at_work=1 ;;
    esac
  done
  return "$at_work"
} 2>/dev/null

# --- kept: what a probe fetched, for the program of its plan ----------------------------------------
# /run/dockwright-probed.RUN is the ticket: it names the private directory, and the one of packages that are fetched
# ahead. Who renames it has them.

drop_kept() { # as nobody came for it
  ticket=/run/dockwright-probed.$run_id
  mv -- "$ticket" "$ticket.over" && read -r lists_there archives_there <"$ticket.over" || return
  [ -e "$lists_there/fetched" ] || end_downloads "$lists_there"
  take_away "$lists_there" ${archives_there:+"$archives_there"} "$ticket.over"
}

drop_kept
printf 'dw1 %s end - - 0\n' "$run_id"
}
main </dev/null 2>/dev/null
