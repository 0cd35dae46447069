# The runs that this host keeps, and what became of what they changed; read-only. Stands behind facts.sh
# in one script. $1: the nonce that frames the answer; $2: "data" where data of users is named, too, and
# "sizes" where Docker's own is measured as well.
runs() {
  state=/var/lib/dockwright
  LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  sum() { # PATH: sha256, or "absent"
    if [ -e "$1" ] || [ -L "$1" ]; then
      hash=$(sha256sum <"$1" 2>/dev/null) || hash=unreadable
      printf '%s' "${hash%% *}"
    else
      printf absent
    fi
  }
  b64_of() { if [ -f "$1" ]; then text=$(head -c 65536 "$1" | base64 -w0) && printf '%s' "${text:-=}"; else printf absent; fi; }

  printf 'dw1 %s runs\n' "$1"
  # shellcheck disable=SC2012  # names of ours, without blanks, by age; more than 200 are not told
  for id in $(ls -1t "$state/runs" 2>/dev/null | head -n 200); do
    run=$state/runs/$id
    # ID BEGAN EXIT PLAYBOOK WHO: words of its journal, "-" for what is not there. What a run was that died
    # before its first word, its program says.
    asked=$(sed -n '/^playbook=/{s/^playbook=//p;q;}' "$run/program" 2>/dev/null | tr -cd 'a-z0-9-')
    awk -v id="$id" -v playbook="$asked" '
      $3 == "start" { began = $6; playbook = $8; who = $9 } $3 == "end" { code = $6 }
      END { print "run", id, (began == "" ? "-" : began), (code == "" ? "-" : code), (playbook == "" ? "-" : playbook), (who == "" ? "-" : who) }
    ' "$run/ev" 2>/dev/null
    for kind in receipt receipt.undone; do
      [ ! -s "$run/$kind" ] || printf '%s %s %s\n' "$kind" "$id" "$(b64_of "$run/$kind")"
    done
    # What a merged file was before, and what we made of it: its keys go one by one.
    sed -n 's/^keys \([^ ]*\) .*/\1/p' "$run/receipt" 2>/dev/null | sort -u | while read -r path; do
      backup=$run/backup/$(printf '%s' "$path" | tr / %)
      printf 'merged %s %s %s %s\n' "$id" "$path" "$(b64_of "$backup")" "$(b64_of "$run/daemon.json")"
    done
  done

  all=$(cat "$state"/runs/*/receipt 2>/dev/null)
  names=$(printf '%s\n' "$all" | awk '$1 == "package" { print $2 } $1 == "hold" { for (i = 2; i <= NF; i++) print $i }' | sort -u | tr '\n' ' ')
  if [ "$names" ]; then
    # shellcheck disable=SC2086  # a list of names
    dpkg-query -W -f='have ${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' $names 2>/dev/null
    awk -v names=" $names" '$1 == "Package:" { name = $2 } $1 == "Auto-Installed:" && $2 == 1 && index(names, " " name " ") { print "auto", name }' \
      /var/lib/apt/extended_states 2>/dev/null
    # NAME BY: installed packages that depend on it, or on something that it provides.
    dpkg-query -W -f='${db:Status-Status}\t${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n' | awk -F'\t' -v names="$names" '
      function plain(word) { sub(/\(.*/, "", word); sub(/:.*/, "", word); gsub(/[ \t]/, "", word); return word }
      BEGIN { count = split(names, some, " "); for (i = 1; i <= count; i++) offers[some[i]] = ours[some[i]] = some[i] }
      $1 != "installed" { next }
      { who[++rows] = $2; needs[rows] = $4 }
      $2 in ours { count = split($3, some, ","); for (i = 1; i <= count; i++) if (plain(some[i]) != "") offers[plain(some[i])] = $2 }
      END {
        for (row = 1; row <= rows; row++) {
          count = split(needs[row], some, /[,|]/)
          for (i = 1; i <= count; i++) {
            name = plain(some[i])
            if (name in offers && offers[name] != who[row] && !told[offers[name], who[row]]++) print "needs", offers[name], who[row]
          }
        }
      }'
  fi
  printf '%s\n' "$all" | awk '$1 == "file" || $1 == "wrote" { print $2 }' | sort -u | while read -r path; do
    printf 'path %s %s\n' "$path" "$(sum "$path")"
  done
  printf '%s\n' "$all" | awk '$1 == "directory" { print $2 }' | sort -u | while read -r path; do
    # shellcheck disable=SC2012  # what is odd in a name only keeps the directory from being ours alone
    [ ! -d "$path" ] || printf 'inside %s %s\n' "$path" "$(ls -A "$path" | head -n 20 | tr '\n' ' ')"
  done
  printf '%s\n' "$all" | awk '$1 == "member" { print $2, $3 }' | sort -u | while read -r group user; do
    ! id -nG "$user" 2>/dev/null | tr ' ' '\n' | grep -qx -e "$group" || printf 'member %s %s\n' "$group" "$user"
  done
  if [ -n "${2-}" ]; then
    # Docker without root: in the homes of those who may have it; they are named, and never looked into.
    getent passwd | awk -F: '($3 == 0 || ($3 >= 1000 && $3 < 65534)) && $6 ~ "^/." { print $6 "/.local/share/docker" }' |
      head -n 1000 | sort -u | while read -r path; do
        [ ! -d "$path" ] || printf 'rootless %s\n' "$(printf '%s' "$path" | base64 -w0)"
      done
  fi
  if [ "${2-}" = sizes ]; then
    root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
    for path in "${root:-/var/lib/docker}" /var/lib/containerd; do
      [ ! -d "$path" ] || printf 'data %s %s\n' "$(timeout 10 du -skx "$path" 2>/dev/null | cut -f1)" "$(printf '%s' "$path" | base64 -w0)"
    done
  fi
  printf 'dw1 %s told\n' "$1"
}
runs "$@" </dev/null
