# --- images and registries: pulled with their layers as progress, loaded, named, logged in to -----

unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG # root's own daemon and file are meant

image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# image_named IMAGE NAME...: the image is there, and has each of the names.
image_named() {
  now_id=$(image_id "$1") || return
  shift
  for name; do [ "$(image_id "$name")" = "$now_id" ] || return; done
}

# blame WHAT TEXT: what failed, its likely cause, and whether the daemon is well all the same.
blame() {
  brief=$1 cause=$(cause_of "$2")
  # What was served is not what was pinned: no repetition makes that well.
  case $cause in "not the pinned digest"*) exit_code=8 ;; esac
  ! timeout 20 docker version >/dev/null 2>&1 || brief="$brief; the daemon is healthy"
  return 1
}

# pull_image IMAGE: docker tells of each layer in a line of its own where there is no terminal.
pull_image() {
  record progress "$step_id" "0 pull $1"
  { timeout 7200 docker pull "$1" 2>&1; printf 'ended %s\n' "$?"; } | {
    all=0 ready=0
    while IFS= read -r line; do
      case $line in
        *": Pulling fs layer") all=$((all + 1)) ;;
        *": Already exists") all=$((all + 1)) ready=$((ready + 1)) ;;
        *": Pull complete") ready=$((ready + 1)) ;;
        "ended "*) [ "$line" = "ended 0" ]; exit ;;
        *) printf '%s\n' "$line"; continue ;;
      esac
      printf '%s\n' "$line"
      [ "$all" = 0 ] || record progress "$step_id" "$((ready * 100 / all)) pull $1, layer $ready of $all"
    done
    exit 1
  } >"$run/pull" && { cat "$run/pull"; return 0; }
  cat "$run/pull"
  # A mirror that is dead is passed over; the last word is then the hub's, which may be out of reach here.
  blame "$1 cannot be pulled" "$(cat "$run/pull")"
  case $1 in *.*/*|*:*/*|localhost/*) ;; *) silent_mirror ;; esac
  return 1
}

# load_image IMAGE TAR SHA256: what else is in the tar is ours, too, where it was not there before.
load_image() {
  if [ ! -f "$2" ]; then
    brief="$2 is not there" cause="archive: there is no such file on this host"
    return 1
  fi
  if [ -n "$3" ] && [ "$(sum_of "$2")" != "$3" ]; then
    brief="$2 is not the tar that was pinned" cause="not the pinned digest: its sha256 is $(sum_of "$2")" exit_code=8
    return 1
  fi
  record progress "$step_id" "0 load $2"
  every_name >"$run/names"
  if ! loaded=$(timeout 7200 docker load -q -i "$2" 2>&1); then
    printf '%s\n' "$loaded"
    blame "$2 cannot be loaded" "$loaded"
    return 1
  fi
  printf '%s\n' "$loaded"
  every_name | while read -r name; do
    grep -qxF -e "$name" "$run/names" || { receipt image "$name" absent && receipt got "$name" "$(image_id "$name")"; }
  done
  image_id "$1" >/dev/null && return
  brief="$2 has no image $1" cause="archive: it holds $(printf '%s' "$loaded" | sed -n 's/^Loaded image[^:]*: //p' | tr '\n' ' ')"
  return 1
}

every_name() { docker image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>' | sort -u; }

# name_image IMAGE NAME: the receipt has which image the name was for before.
name_image() {
  was=$(image_id "$2")
  receipt image "$2" "${was:-absent}" && docker tag "$1" "$2" && receipt got "$2" "$(image_id "$2")"
}

# --- logins; $registry_logins has HOST USER PASSWORD a line, the last two as base64 ----------------

# log_in HOST: the password goes to docker's standard input, and nowhere else.
log_in() {
  words=$(printf '%s\n' "${registry_logins-}" | while read -r host user password; do
    [ "$host" != "$1" ] || printf '%s %s' "$user" "$password"
  done)
  if [ -z "$words" ]; then
    brief="the login for $1 was not handed over" cause="apply it with dockwright and --registry-logins"
    return 1
  fi
  state_before=absent
  if logged_in "$1"; then state_before=other; elif [ ! -e "$docker_config" ]; then state_before=new; fi
  receipt login "$1" "$state_before" || return
  user=$(printf '%s' "${words%% *}" | base64 -d)
  if ! answer=$(printf '%s' "${words#* }" | base64 -d | timeout 120 docker login --username "$user" --password-stdin "$1" 2>&1); then
    answer=$(printf '%s\n' "$answer" | grep -v '^WARNING')
    printf '%s\n' "$answer"
    blame "no login at $1" "$answer"
    return 1
  fi
  receipt got-login "$1" && say "logged in as $user"
}
